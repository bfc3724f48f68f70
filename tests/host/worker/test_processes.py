"""The facts about a process, by /proc and by psutil."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cfp.host.worker import processes
from cfp.host.worker.processes import is_alive, started
from cfp.socket_owner import own_user
from tests.host.conftest import end, sleeper

SYSTEMS: list[Any] = [processes]
if sys.platform == "linux":
    from cfp.host.worker import _linux, _portable

    SYSTEMS = [_linux, _portable]


@pytest.mark.parametrize("system", SYSTEMS)
class TestIdentity:
    """The two ways to look at processes keep one promise."""

    def test_a_running_process_is_told_by_its_start(self, system: Any) -> None:
        """The start time names the process, and another time does not."""
        process = sleeper("a", "b c")
        try:
            started = system.started(process.pid)
            assert started is not None
            assert system.is_running(process.pid, started)
            assert not system.is_running(process.pid, f"{started}1")
            assert own_user() == system.user(process.pid)
            assert ("a", "b c") == system.cmdline(process.pid)[-2:]
        finally:
            end(process)

    def test_a_zombie_is_dead(self, system: Any) -> None:
        """A child that nobody has waited for runs no more."""
        process = sleeper()
        started = system.started(process.pid)
        with system.hold(process.pid) as handle:
            process.kill()
            assert handle.wait(20)
        assert not system.is_running(process.pid, started)
        process.communicate()

    def test_a_hold_outlives_its_process(self, system: Any) -> None:
        """Signals to what has ended reach nobody and are no error."""
        process = sleeper()
        with system.hold(process.pid) as handle:
            assert not handle.wait(0)
            end(process)
            assert handle.wait(0)
            handle.signal(kill=False)
            handle.signal(kill=True)

    def test_no_process_is_no_hold(self, system: Any) -> None:
        """A pid that is gone can neither be held nor described."""
        process = sleeper()
        end(process)
        assert system.hold(process.pid) is None
        assert system.started(process.pid) is None
        assert system.user(process.pid) is None
        assert system.cmdline(process.pid) == ()


@pytest.mark.posix("/proc", needs="linux")
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


@pytest.mark.posix("a zombie is POSIX's")
def test_our_own_ended_child_is_reaped() -> None:
    """The manager is the worker's parent: asking whether it lives must not leave a zombie."""
    process = sleeper()
    start_time = started(process.pid)
    assert start_time is not None
    assert is_alive(process.pid, start_time)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid, start_time)
    assert started(process.pid) is None
    process.communicate()
