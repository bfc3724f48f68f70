"""A program that is started detached outlives its starter, and holds nothing of it open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfp.host.system import _detached_windows, detached

ENDED_BY = 30.0
windows_only = pytest.mark.skipif(sys.platform != "win32", reason="jobs and virtual environments of Windows")

# It gets its go byte, reports its process id, and lives until the test lets go of the connection.
_PROGRAM = """
import os, socket, sys
sys.stdin.buffer.read(1)
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(b"%d %s" % (os.getpid(), sys.prefix.encode()))
    while part := connection.recv(10):
        connection.sendall(part)
"""
# It waits for a byte, starts the program, sends the go byte, prints the process id and ends.
_STARTER = """
import os, sys
from cfp.host.system import detached
sys.stdin.buffer.read(1)
with open(os.devnull, "wb") as nothing:
    process = detached.start(
        [sys.executable, *sys.argv[1:]], stdout=nothing, stderr=nothing, cwd=os.getcwd(), env=os.environ
    )
process.stdin.write(b"g")
print(process.pid)
"""


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(ENDED_BY)
        yield listener


def starter(listener: socket.socket, python: str = sys.executable, **environ: str) -> subprocess.Popen[bytes]:
    """A program that starts another one once it is sent a byte; its output is a pipe, as Codex has it."""
    words = [python, "-c", _STARTER, "-c", _PROGRAM, str(listener.getsockname()[1])]
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environ}
    )


def lives(connection: socket.socket) -> bool:
    connection.settimeout(ENDED_BY)
    try:
        connection.sendall(b"?")
        return connection.recv(1) == b"?"
    except OSError:
        return False


def test_the_starters_output_ends_with_the_starter() -> None:
    """Codex reads a hook's output to its end: a worker that held the pipe would be waited for."""
    with listening() as listener, starter(listener) as process:
        out, error = process.communicate(b"g", timeout=ENDED_BY)
        connection, _ = listener.accept()
        with connection:
            pid, _, _ = connection.recv(1000).partition(b" ")
            assert (pid, b"", 0) == (out.strip(), error, process.returncode)
            assert lives(connection)


@windows_only
@pytest.mark.parametrize("may_break_away", [True, False])
def test_it_leaves_the_job_of_its_starter_where_it_may(may_break_away: object) -> None:
    """A job that ends its processes takes a detached one along only where it lets none break away."""
    from tests.host.system.jobs import Job  # noqa: PLC0415  of Windows

    with listening() as listener, starter(listener) as process:
        with Job(may_break_away=bool(may_break_away)) as job:
            job.take(process)
            process.communicate(b"g", timeout=ENDED_BY)
            connection, _ = listener.accept()
            connection.settimeout(ENDED_BY)
            connection.recv(1000)
        with connection:
            assert bool(may_break_away) == lives(connection)


@windows_only
def test_in_a_virtual_environment_it_is_one_process(tmp_path: Path) -> None:
    """The process that was started is the one that runs, though the python.exe of an environment starts another."""
    (tmp_path / "Scripts").mkdir()
    base = Path(sys._base_executable)  # type: ignore[attr-defined, unused-ignore]  # there on Windows
    (tmp_path / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = true\n")
    called = str(tmp_path / "Scripts" / "python.exe")
    with listening() as listener, starter(listener, str(base), __PYVENV_LAUNCHER__=called) as process:
        out, error = process.communicate(b"g", timeout=ENDED_BY)
        assert b"" == error
        connection, _ = listener.accept()
        with connection:
            assert f"{out.decode().strip()} {tmp_path}" == connection.recv(1000).decode()


def test_the_flags_of_windows() -> None:
    """No window, no ^C from the starter's console, out of its job, and within it where that is not permitted."""
    flags = [flags for _, _, flags in _detached_windows.ways("x", {})]
    assert [0x09000200, 0x08000200] == flags
    if sys.platform == "win32":
        expected = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        assert [expected | subprocess.CREATE_BREAKAWAY_FROM_JOB, expected] == flags


@pytest.mark.parametrize(
    ("program", "called", "real", "expected"),
    [
        ("venv", "venv", "real", ("real", {"A": "b", "__PYVENV_LAUNCHER__": "venv"})),
        ("real", "real", "real", (None, {"A": "b"})),
        ("other", "venv", "real", (None, {"A": "b"})),
    ],
)
def test_the_interpreter_of_windows(
    program: str, called: str, real: str, expected: tuple[str | None, object]
) -> None:
    """The real python.exe runs in place of the one of our own environment; any other program runs as it is named."""
    for executable, environ, _ in _detached_windows.ways(program, {"A": "b"}, (called, real)):
        assert expected == (executable, environ)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The error of the system, which names the program."""
    with (tmp_path / "log").open("wb") as log, pytest.raises(FileNotFoundError):
        detached.start([str(tmp_path / "none.exe")], stdout=log, stderr=log, cwd=str(tmp_path), env=os.environ)
