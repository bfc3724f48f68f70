"""Starting, proving and ending the worker, with a stand-in for the real one."""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from cfp.core.settings import Policy, Settings
from cfp.errors import Failed
from cfp.host.worker import _linux, _portable
from cfp.host.worker.probe import Status, probe, wait_healthy
from cfp.host.worker.process import (
    Stopped,
    WorkerProcesses,
    WorkerSpec,
    boot_id,
    health_at,
    is_alive,
    process_started,
    spawn,
    stop_worker,
)
from journal.values import Processes, WorkerRecord
from tests.host.conftest import Workers, free_port, record_of, tell


def recorded(pid: int) -> WorkerRecord:
    """What the journal would hold of a worker with this pid."""
    started, boot = process_started(pid), boot_id()
    return WorkerRecord(nonce="ab12", port=free_port(), pid=pid, started=started, boot_id=boot)


def sleeper(*arguments: str) -> subprocess.Popen[bytes]:
    """Some process of ours that is no worker; it runs its own program by now, so its command line is there."""
    code = "import os, sys; os.write(1, b'.'); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"." == process.stdout.read(1)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


class TestCommandLine:
    SPEC = WorkerSpec(
        settings=Settings(provider="relay", upstream_base="https://relay.example/v1", port=8788),
        codex_home=Path("/home/u/.codex"),
        python="/usr/bin/python3",
        nonce="ab12",
    )

    def test_is_the_contract(self) -> None:
        """The worker, recovery and doctor read these arguments: they are a format."""
        expected = (
            "/usr/bin/python3 -P -m codex_fast_proxy serve --codex-home /home/u/.codex --provider relay "
            "--host 127.0.0.1 --port 8788 --proxy-base /v1 --upstream-base https://relay.example/v1 "
            "--service-tier priority --service-tier-policy auto --nonce ab12 --await-go"
        )
        assert expected.split() == self.SPEC.argv()

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"upstream_api_key_env": "RELAY_KEY"}, ["--upstream-api-key-env", "RELAY_KEY"]),
            ({"upstream_api_key_file": True}, ["--use-provider-auth-file"]),
            ({"service_tier_policy": Policy.PRESERVE}, ["--service-tier-policy", "preserve"]),
        ],
    )
    def test_names_the_source_of_the_key_and_never_the_key(
        self, changes: dict[str, object], expected: list[str]
    ) -> None:
        """Only the name of a variable, or the word that says the file, is an argument."""
        settings = dataclasses.replace(self.SPEC.settings, **changes)  # type: ignore[arg-type]  # a table of fields
        argv = dataclasses.replace(self.SPEC, settings=settings).argv()
        assert " ".join(expected) in " ".join(argv)

    def test_verbose_comes_last(self) -> None:
        """--verbose is a flag of its own."""
        assert [*self.SPEC.argv(), "--verbose"] == dataclasses.replace(self.SPEC, verbose=True).argv()

    def test_settings_hash_follows_the_settings_alone(self) -> None:
        """16 hex digits that a nonce does not change and a setting does."""
        same = dataclasses.replace(self.SPEC, nonce="cd34").settings_hash()
        other = dataclasses.replace(
            self.SPEC, settings=dataclasses.replace(self.SPEC.settings, port=1)
        ).settings_hash()
        assert same == self.SPEC.settings_hash() != other
        assert len(same) == len(f"{int(same, 16):016x}") == 16

    def test_relaunch_record_brings_the_same_worker_back(self) -> None:
        """All but the nonce, which is new; no secret and only JSON in it."""
        again = WorkerSpec.from_record(self.SPEC.relaunch_record())
        assert again is not None
        assert again.nonce != self.SPEC.nonce
        assert dataclasses.replace(again, nonce=self.SPEC.nonce) == self.SPEC

    @pytest.mark.parametrize("record", [None, {}, [], "x", {"settings": {}}, {"settings": {"provider": 3}}])
    def test_a_record_of_something_else_is_none(self, record: object) -> None:
        """A journal of another version must not crash recovery."""
        assert WorkerSpec.from_record(record) is None


@pytest.mark.parametrize("system", [_linux, _portable])
class TestIdentity:
    """The two ways to look at processes keep one promise."""

    def test_a_running_process_is_told_by_its_start(self, system: ModuleType) -> None:
        """The start time names the process, and another time does not."""
        process = sleeper("a", "b c")
        try:
            started = system.started(process.pid)
            assert started is not None
            assert system.is_running(process.pid, started)
            assert not system.is_running(process.pid, f"{started}1")
            assert os.getuid() == system.uid(process.pid)
            assert ("a", "b c") == system.cmdline(process.pid)[-2:]
        finally:
            end(process)

    def test_a_zombie_is_dead(self, system: ModuleType) -> None:
        """A child that nobody has waited for runs no more."""
        process = sleeper()
        started = system.started(process.pid)
        with system.hold(process.pid) as handle:
            process.kill()
            assert handle.wait(20)
        assert not system.is_running(process.pid, started)
        process.communicate()

    def test_a_hold_outlives_its_process(self, system: ModuleType) -> None:
        """Signals to what has ended reach nobody and are no error."""
        process = sleeper()
        with system.hold(process.pid) as handle:
            assert not handle.wait(0)
            end(process)
            assert handle.wait(0)
            handle.signal(kill=False)
            handle.signal(kill=True)

    def test_no_process_is_no_hold(self, system: ModuleType) -> None:
        """A pid that is gone can neither be held nor described."""
        process = sleeper()
        end(process)
        assert system.hold(process.pid) is None
        assert system.started(process.pid) is None
        assert system.uid(process.pid) is None
        assert system.cmdline(process.pid) == ()


def test_a_name_with_parentheses_does_not_move_the_start_time(tmp_path: Path) -> None:
    """/proc/PID/stat puts the program's name, which may hold anything, before the field that we read."""
    program = tmp_path / ") S 1 2 ("
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        beside = sleeper()
        try:
            assert 0 <= int(_linux.started(beside.pid) or -1) - int(_linux.started(process.pid) or -1) < 1000
        finally:
            end(beside)
    finally:
        process.kill()
        process.wait()


def test_our_own_ended_child_is_reaped() -> None:
    """The manager is the worker's parent: asking whether it lives must not leave a zombie."""
    process = sleeper()
    started = process_started(process.pid)
    assert started is not None
    assert is_alive(process.pid, started)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid, started)
    assert process_started(process.pid) is None
    process.communicate()


class TestSpawn:
    def test_a_worker_without_the_go_byte_leaves_without_a_trace(self, workers: Workers) -> None:
        """A parent that dies before it journalled the pid leaves no orphan: the pipe's end is the order to leave."""
        spec = workers.spec()
        child = workers.spawn(spec, say="I was here")
        child.abandon()
        child.abandon()
        assert child.wait(0)
        assert (Status.REFUSED, None) == probe("127.0.0.1", spec.settings.port, 1)
        assert workers.layout.worker_stderr.read_text() == ""

    def test_the_go_byte_lets_it_work(self, workers: Workers) -> None:
        """With the byte it listens, under the nonce, in a session and folder of its own."""
        spec, child, _ = workers.start()
        health = health_at("127.0.0.1", spec.settings.port, 5)
        assert health is not None
        assert (spec.nonce, child.pid, "/") == (health.nonce, health.pid, health.raw["cwd"])
        assert child.pid == os.getsid(child.pid)
        assert is_alive(child.pid, child.started)

    def test_it_holds_none_of_our_descriptors(self, workers: Workers, tmp_path: Path) -> None:
        """Neither the journal's lock nor the hook's pipes may live on in the worker; stdin is the pipe's dead end."""
        with (tmp_path / "lock").open("wb") as lock:
            os.set_inheritable(lock.fileno(), True)
            _, child, _ = workers.start()
            held = {str(entry.readlink()) for entry in Path(f"/proc/{child.pid}/fd").iterdir()}
        assert str(tmp_path / "lock") not in held
        expected = {str(workers.layout.worker_stdout), str(workers.layout.worker_stderr)}
        assert expected == {name for name in held if name.startswith("/")}

    def test_logs_are_appended_and_private(self, workers: Workers) -> None:
        """What an earlier worker wrote stays, and a log that others could read no longer is."""
        workers.layout.worker_stderr.write_text("before\n")
        workers.layout.worker_stderr.chmod(0o644)
        child = workers.spawn(workers.spec(), say="after", exit=3)
        child.go()
        assert child.wait(20)
        assert workers.layout.worker_stderr.read_text() == "before\nafter\n"
        for log in (workers.layout.worker_stdout, workers.layout.worker_stderr):
            assert stat.S_IMODE(log.stat().st_mode) == 0o600

    def test_last_stderr_line_is_its_own_and_redacted(self, workers: Workers) -> None:
        """The line for the user is of this run, and no key that a library may have printed is in it."""
        workers.layout.worker_stderr.write_text("older line\n")
        quiet = workers.spawn(workers.spec(), exit=1)
        quiet.go()
        assert quiet.wait(20)
        assert quiet.last_stderr_line() == ""
        loud = workers.spawn(workers.spec(), say="bad header: Bearer sk-canary-0123456789", exit=1)
        loud.go()
        assert loud.wait(20)
        assert loud.last_stderr_line() == "bad header: ***"

    def test_going_on_after_death_is_no_error(self, workers: Workers) -> None:
        """The reason of the death is told by whoever waits for health, not by the pipe."""
        child = workers.spawn(workers.spec())
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(20)
        child.go()

    def test_a_missing_interpreter_is_told(self, workers: Workers) -> None:
        """Nothing was started, and the reason names the file."""
        spec = dataclasses.replace(workers.spec(), python="/nonexistent/python")
        with pytest.raises(Failed) as caught:
            spawn(spec, workers.layout)
        assert caught.value.code == "worker_did_not_start"
        assert caught.value.details["detail"] == "No such file or directory: /nonexistent/python"

    def test_a_log_that_is_a_link_is_not_followed(self, workers: Workers, tmp_path: Path) -> None:
        """A planted link must not make us write into another file."""
        (tmp_path / "victim").write_text("mine")
        workers.layout.worker_stderr.symlink_to(tmp_path / "victim")
        with pytest.raises(Failed):
            spawn(workers.spec(), workers.layout)
        assert (tmp_path / "victim").read_text() == "mine"

    def test_the_environment_is_the_parents(self, workers: Workers) -> None:
        """The provider's variable reaches the worker, as its key may lie there."""
        spec, _, _ = workers.start(marker=1)
        assert tell(spec, "/env/STAND_IN") == '{"marker": 1}'


class TestWaitHealthy:
    def test_a_death_is_reported_at_once_with_its_last_stderr_line(self, workers: Workers) -> None:
        """Nobody waits out a time limit for a worker that is dead."""
        spec = workers.spec()
        child = workers.spawn(spec, say="OSError: address in use", exit=1)
        child.go()
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 60, child)
        assert caught.value.code == "worker_did_not_start"
        assert caught.value.details == {
            "reason": "exited",
            "detail": "OSError: address in use",
            "log": str(workers.layout.worker_stderr),
        }

    def test_another_workers_answer_is_not_health(self, workers: Workers) -> None:
        """The port is taken by a worker with another nonce, and that is said."""
        spec, child, _ = workers.start(nonce="another")
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 1, child)
        assert caught.value.details["reason"] == "port_taken"

    def test_time_is_limited(self, workers: Workers) -> None:
        """Silence is not health, and is not waited for longer than asked."""
        spec = workers.spec()
        child = workers.spawn(spec, mute=True)
        child.go()
        with pytest.raises(Failed) as caught:
            wait_healthy("127.0.0.1", spec.settings.port, spec.nonce, 0.5, child)
        assert caught.value.details["reason"] == "timed_out"


class TestStop:
    def test_an_idle_worker_leaves_at_the_first_signal(self, workers: Workers) -> None:
        """It is gone, nothing was cut, and no zombie of it is left."""
        _, child, record = workers.start()
        assert Stopped(was_running=True) == stop_worker(record, 20)
        assert process_started(child.pid) is None
        assert Stopped(was_running=False) == stop_worker(record, 20)

    def test_a_busy_worker_may_finish(self, workers: Workers) -> None:
        """Within the grace period nothing is cut."""
        spec, _, record = workers.start(busy=2)
        results: list[Stopped] = []
        stopping = threading.Thread(target=lambda: results.append(stop_worker(record, 60)))
        stopping.start()
        tell(spec, "/term")
        tell(spec, "/busy/0")
        stopping.join(20)
        assert [Stopped(was_running=True)] == results

    def test_what_is_left_after_the_grace_is_cut_and_counted(self, workers: Workers) -> None:
        """The count is the last one that the worker gave."""
        spec, child, record = workers.start(busy=2)
        tell(spec, "/busy/3")
        assert Stopped(was_running=True, cut_streams=3) == stop_worker(record, 0)
        assert not is_alive(child.pid, child.started)

    def test_a_worker_that_ignores_signals_is_killed(self, workers: Workers) -> None:
        """SIGKILL ends what two SIGTERMs do not."""
        _, child, record = workers.start(stubborn=True)
        began = time.monotonic()
        assert stop_worker(record, 0).was_running
        assert not is_alive(child.pid, child.started)
        assert time.monotonic() - began < 10

    def test_a_worker_that_answers_nothing_is_proven_by_its_command_line(self, workers: Workers) -> None:
        """A hung worker is still ours: pid, start, boot and the nonce in its arguments say so."""
        spec = workers.spec()
        child = workers.spawn(spec, mute=True)
        child.go()
        assert stop_worker(record_of(spec, child), 20).was_running
        assert child.wait(0)

    def test_a_worker_whose_pid_was_not_recorded_is_found_by_its_nonce(self, workers: Workers) -> None:
        """A crash between the start and its record leaves only the nonce, and health tells the pid."""
        _, child, record = workers.start()
        assert stop_worker(WorkerRecord(nonce=record.nonce, port=record.port), 20).was_running
        assert not is_alive(child.pid, child.started)

    def test_draining_worker_that_no_longer_listens_is_found_by_its_pid(self, workers: Workers) -> None:
        """After a handover the port belongs to another worker; the old one is ended too, the new one is not."""
        _, old, old_record = workers.start()
        new_spec, new, _ = workers.start()
        moved = dataclasses.replace(old_record, port=new_spec.settings.port)
        assert stop_worker(moved, 20).was_running
        assert not is_alive(old.pid, old.started)
        assert is_alive(new.pid, new.started)


class TestNothingUnprovenIsSignalled:
    @pytest.mark.parametrize(
        "change",
        [
            {"nonce": "ff" * 16},
            {"nonce": ""},
            {"started": "1"},
            {"boot_id": "another boot"},
        ],
    )
    def test_a_record_that_does_not_fit(self, workers: Workers, change: dict[str, str]) -> None:
        """Each single mismatch protects the process, though its pid is right."""
        _, child, record = workers.start(nonce="unrelated")
        wrong = dataclasses.replace(record, **change)  # type: ignore[arg-type]  # a table of fields
        assert Stopped(was_running=False) == stop_worker(wrong, 20)
        assert is_alive(child.pid, child.started)

    def test_a_stranger_with_the_workers_pid(self) -> None:
        """A process that merely got the pid, start time and all, has no nonce in its command line."""
        process = sleeper("--nonces", "ab12")
        try:
            record = recorded(process.pid)
            assert Stopped(was_running=False) == stop_worker(record, 0)
            assert process.poll() is None
        finally:
            end(process)

    def test_a_port_that_claims_somebody_elses_pid(self, workers: Workers) -> None:
        """Whoever answers with our nonce cannot point us at another process."""
        process = sleeper()
        try:
            spec, _, record = workers.start(pid=process.pid)
            health = health_at("127.0.0.1", spec.settings.port, 5)
            assert health is not None
            assert process.pid == health.pid
            assert Stopped(was_running=False) == stop_worker(record, 0)
            assert process.poll() is None
        finally:
            end(process)

    @pytest.mark.skipif(os.getuid() != 0, reason="starts a process of another user")
    def test_another_users_process(self) -> None:
        """Even with everything else right it is not ours."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", "read line", "sh", "--nonce", "ab12"], stdin=subprocess.PIPE, user=65534
        )
        try:
            record = recorded(process.pid)
            assert Stopped(was_running=False) == stop_worker(record, 0)
            assert process.poll() is None
        finally:
            end(process)


class TestHostProcesses:
    def test_is_what_the_journal_asks_for(self, workers: Workers) -> None:
        """The journal's port and this class agree, for the type checker too."""
        processes: Processes = WorkerProcesses(workers.layout)
        assert processes.retract(WorkerRecord(nonce="ab12", port=free_port())) == "gone"

    def test_retract_ends_an_idle_worker_and_may_be_repeated(self, workers: Workers) -> None:
        """Recovery may run again after a crash in recovery."""
        _, child, record = workers.start()
        processes = WorkerProcesses(workers.layout)
        assert [processes.retract(record), processes.retract(record)] == ["stopped", "gone"]
        assert not is_alive(child.pid, child.started)

    def test_retract_never_cuts_a_request(self, workers: Workers) -> None:
        """A worker with a request in flight stays untouched."""
        spec, child, record = workers.start(busy=1)
        assert WorkerProcesses(workers.layout).retract(record) == "deferred"
        health = health_at("127.0.0.1", spec.settings.port, 5)
        assert health is not None
        assert not health.draining
        assert is_alive(child.pid, child.started)

    def test_retract_asks_where_the_worker_says_that_it_listens(self, workers: Workers) -> None:
        """Recovery knows the port only; a request in flight is seen on another loopback address too."""
        spec = workers.spec(host="::1")
        child = workers.spawn(spec, busy=1)
        child.go()
        wait_healthy("::1", spec.settings.port, spec.nonce, 20, child)
        assert WorkerProcesses(workers.layout).retract(record_of(spec, child)) == "deferred"

    def relaunched(self, workers: Workers, spec: WorkerSpec) -> WorkerRecord | None:
        health = health_at("127.0.0.1", spec.settings.port, 5)
        return None if health is None else WorkerRecord(nonce=health.nonce, port=spec.settings.port, pid=health.pid)

    def test_relaunch_serves_again_and_starts_no_second_worker(self, workers: Workers) -> None:
        """Twice in a row gives one worker, with the recorded settings and a nonce of its own."""
        spec = workers.spec()
        processes = WorkerProcesses(workers.layout)
        assert processes.relaunch(spec.relaunch_record())
        first = self.relaunched(workers, spec)
        assert first is not None
        assert processes.relaunch(spec.relaunch_record())
        assert first == self.relaunched(workers, spec)
        assert first.nonce != spec.nonce
        assert stop_worker(first, 20).was_running

    def test_relaunch_refuses_after_a_reboot_and_when_nobody_would_use_it(self, workers: Workers) -> None:
        """The hook starts the worker of a new boot; a home that moved on wants none."""
        spec = workers.spec()
        earlier = {**spec.relaunch_record(), "boot_id": "an earlier boot"}
        assert not WorkerProcesses(workers.layout).relaunch(earlier)
        assert not WorkerProcesses(workers.layout, still_wanted=lambda _: False).relaunch(spec.relaunch_record())
        assert not WorkerProcesses(workers.layout).relaunch({"not": "a record"})
        assert self.relaunched(workers, spec) is None

    def test_a_relaunch_that_fails_leaves_nothing(self, workers: Workers, tmp_path: Path) -> None:
        """A worker that dies at once is told as False, and one that never starts too."""
        program = tmp_path / "broken"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o700)
        for python in (str(program), "/nonexistent/python"):
            spec = dataclasses.replace(workers.spec(), python=python)
            assert not WorkerProcesses(workers.layout).relaunch(spec.relaunch_record())


def test_a_child_is_dropped_without_a_warning(workers: Workers) -> None:
    """The worker outlives its parent by design: forgetting its object is no leak."""
    _, child, record = workers.start()
    workers.children.remove(child)
    del child
    assert stop_worker(record, 20).was_running
