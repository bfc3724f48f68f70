"""A worker is started with the right command line, and waits for its go byte; a stand-in takes its place."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from cfp.core.settings import Policy, Settings
from cfp.errors import Failed
from cfp.host.worker.health import health_at
from cfp.host.worker.probe import Status, probe
from cfp.host.worker.processes import is_alive
from cfp.host.worker.shutdown import stop_worker
from cfp.host.worker.spawn import WorkerSpec, spawn
from tests.access import give_to_all, others_may_read
from tests.host.conftest import Workers, tell
from tests.systems import LINUX, SIGKILL


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
            f"/usr/bin/python3 -I -m codex_fast_proxy serve --codex-home {Path('/home/u/.codex')} --provider relay "
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
        for spec in (self.SPEC, dataclasses.replace(self.SPEC, user_base="/home/u/.local")):
            again = WorkerSpec.from_record(spec.relaunch_record())
            assert again is not None
            assert again.nonce != spec.nonce
            assert dataclasses.replace(again, nonce=spec.nonce) == spec

    def test_one_in_the_users_site_is_recognized_by_its_command_line(self) -> None:
        """The pairs of words by which workers are found and ended are there in that form, too."""
        pairs = set(pairwise(dataclasses.replace(self.SPEC, user_base="/home/u/.local").argv()))
        assert {("-m", "codex_fast_proxy"), ("codex_fast_proxy", "serve"), ("--nonce", "ab12")} <= pairs

    @pytest.mark.parametrize("record", [None, {}, [], "x", {"settings": {}}, {"settings": {"provider": 3}}])
    def test_a_record_of_something_else_is_none(self, record: object) -> None:
        """A journal of another version must not crash recovery."""
        assert WorkerSpec.from_record(record) is None


class TestSpawn:
    def test_a_worker_without_the_go_byte_leaves_without_a_trace(self, workers: Workers) -> None:
        """A parent that dies before it journalled the pid leaves no orphan: the pipe's end is the order to leave."""
        spec = workers.spec()
        child = workers.spawn(spec, say="I was here")
        child.stop()
        child.stop()
        assert child.wait(0)
        assert (Status.REFUSED, None) == probe("127.0.0.1", spec.settings.port, 1)
        assert workers.layout.worker_stderr.read_text() == ""

    def test_the_go_byte_lets_it_work(self, workers: Workers) -> None:
        """With the byte it listens, under the nonce, in a session and folder of its own."""
        spec, child, _ = workers.start()
        health = health_at("127.0.0.1", spec.settings.port, 5)
        assert health is not None
        root = workers.layout.home.anchor
        assert (spec.nonce, child.pid, root) == (health.nonce, health.pid, health.raw["cwd"])
        if sys.platform != "win32":  # where no session is inherited
            assert child.pid == os.getsid(child.pid)
        assert is_alive(child.pid, child.started)

    def test_it_holds_none_of_our_descriptors(self, workers: Workers, tmp_path: Path) -> None:
        """Neither the journal's lock nor the hook's pipes may live on in the worker; stdin is the pipe's dead end."""
        with (tmp_path / "lock").open("wb") as lock:
            os.set_inheritable(lock.fileno(), True)
            _, child, _ = workers.start()
        if LINUX:
            open_files = {str(entry.readlink()) for entry in Path(f"/proc/{child.pid}/fd").iterdir()}
            expected = {str(workers.layout.worker_stdout), str(workers.layout.worker_stderr)}
            assert expected == {name for name in open_files if name.startswith("/")}
        (tmp_path / "lock").unlink()  # Windows refuses it while anybody has the file open

    def test_logs_are_appended_and_private(self, workers: Workers) -> None:
        """The lines of an earlier worker stay, and a log that others could read becomes private."""
        workers.layout.worker_stderr.write_text("before\n")
        give_to_all(workers.layout.worker_stderr)
        child = workers.spawn(workers.spec(), say="after", exit=3)
        child.send_go()
        assert child.wait(20)
        assert workers.layout.worker_stderr.read_text() == "before\nafter\n"
        for log in (workers.layout.worker_stdout, workers.layout.worker_stderr):
            assert not others_may_read(log)

    def test_last_stderr_line_is_its_own_and_redacted(self, workers: Workers) -> None:
        """The line for the user is of this run, and no key that a library may have printed is in it."""
        workers.layout.worker_stderr.write_text("older line\n")
        quiet = workers.spawn(workers.spec(), exit=1)
        quiet.send_go()
        assert quiet.wait(20)
        assert quiet.last_stderr_line() == ""
        loud = workers.spawn(workers.spec(), say="bad header: Bearer sk-canary-0123456789", exit=1)
        loud.send_go()
        assert loud.wait(20)
        assert loud.last_stderr_line() == "bad header: ***"

    def test_going_on_after_death_is_no_error(self, workers: Workers) -> None:
        """The reason of the death is told by whoever waits for health, not by the pipe."""
        child = workers.spawn(workers.spec())
        os.kill(child.pid, SIGKILL)
        assert child.wait(20)
        child.send_go()

    def test_a_missing_interpreter_is_told(self, workers: Workers) -> None:
        """Nothing was started, and the reason names the file."""
        spec = dataclasses.replace(workers.spec(), python="/nonexistent/python")
        with pytest.raises(Failed) as caught:
            spawn(spec, workers.layout)
        assert caught.value.code == "worker_did_not_start"
        assert re.fullmatch(r".+: /nonexistent/python", caught.value.details["detail"])

    @pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
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


def test_a_child_is_dropped_without_a_warning(workers: Workers) -> None:
    """The worker outlives its parent by design: forgetting its object is no leak."""
    _, child, record = workers.start()
    workers.children.remove(child)
    del child
    assert stop_worker(record, 20, layout=workers.layout).was_running
