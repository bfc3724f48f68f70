"""The control channel: paths of any length, peers of other users, and what a line lends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cfp.host.worker.control import channel
from tests.systems import as_root

if sys.platform != "win32":
    from cfp.host.worker.control import _posix


@contextmanager
def answering(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Accept one connection at a control socket and answer it."""
    server = channel.Server(path)
    with ExitStack() as stack:
        stack.callback(server.close)
        server.socket.setblocking(True)

        def serve() -> None:
            with server.accept() as connection:
                connection.setblocking(True)
                line = b""
                while not line.endswith(b"\n"):  # what is left unread would reset the answer
                    line += connection.recv(1 << 16)
                assert server.admitted(line) is not None
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stack.callback(thread.join, 20)
        yield


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("depth", [1, 4])
def test_a_home_may_lie_as_deep_as_it_likes(tmp_path: Path, depth: int) -> None:
    """sockaddr_un holds 108 bytes; a path holds 4,096."""
    folder = tmp_path.joinpath(*["d" * 100] * depth)
    folder.mkdir(parents=True)
    path = folder / "fast_proxy.ab.sock"
    before = Path.cwd()
    with answering(path, lambda connection: channel.send(connection, {"pid": 7})):
        assert sys.platform == "win32" or 0o600 == path.stat().st_mode & 0o777
        assert channel.read_health(path, 5) == {"pid": 7}
    assert before == Path.cwd()


@pytest.mark.posix("the length of a Unix socket's path")
def test_without_proc_the_folder_is_the_way(tmp_path: Path) -> None:
    """Without /proc (macOS), the process changes into the folder for a moment, where the name is short enough."""
    folder = tmp_path.joinpath(*["d" * 100] * 3)
    folder.mkdir(parents=True)
    program = (
        "import sys; sys.platform = 'darwin'\n"
        "from pathlib import Path; from cfp.host.worker.control import channel\n"
        "path = Path(sys.argv[1]); server = channel.Server(path)\n"
        "channel.connect(path, 5).close(); server.close(); print(Path.cwd())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder / "a.sock")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert f"{tmp_path}\n" == ran.stdout


def test_a_name_that_a_dead_worker_left_is_taken(tmp_path: Path) -> None:
    """SIGKILL leaves the name; nobody has to clean by hand."""
    path = tmp_path / "a.sock"
    channel.Server(path).socket.close()
    assert channel.read_health(path, 5) is None
    with answering(path, lambda connection: channel.send(connection, {"pid": 7})):
        assert channel.read_health(path, 5) == {"pid": 7}


@pytest.mark.parametrize("answer", [b"", b"{", b"[]\n", b"{}\n", b'{"pid": true}\n', b"\xff\n", b"[" * 9999 + b"\n"])
def test_garbage_is_no_health(tmp_path: Path, answer: bytes) -> None:
    """Nor is half a line."""
    path = tmp_path / "a.sock"
    with answering(path, lambda connection: connection.sendall(answer)):
        assert channel.read_health(path, 5) is None


def test_silence_is_no_health(tmp_path: Path) -> None:
    """A worker that hangs costs its time limit, not more."""
    path = tmp_path / "a.sock"
    with answering(path, lambda connection: connection.recv(1)):
        assert channel.read_health(path, 0.2) is None


def test_a_loan_arrives_with_its_line(tmp_path: Path) -> None:
    """It brings the sender's own listener and lock: neither ends while one of the two has it."""
    path, locked = tmp_path / "a.sock", tmp_path / "lock"
    lock, listener = channel.take_lock(locked), socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def lend(connection: socket.socket) -> None:
        channel.lend(connection, {"n": 1}, channel.Lent(lock=lock, sockets=(listener,)), os.getpid())

    with answering(path, lend), channel.connect(path, 5) as connection:
        message, lent = channel.take_over(connection, "ab", *address, 5)
    assert lent is not None
    assert {"n": 1} == message
    assert [False] == [each.get_inheritable() for each in lent.sockets]
    channel.close_lock(lock)
    listener.close()
    with pytest.raises(OSError):
        channel.take_lock(locked)
    with socket.create_connection(address), lent.sockets[0].accept()[0]:
        pass
    channel.close_lent(lent)
    channel.close_lock(channel.take_lock(locked))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.posix("descriptors travel beside the line")
def test_a_broken_line_leaves_no_descriptor(tmp_path: Path) -> None:
    """Descriptors that came with it are closed."""
    path = tmp_path / "a.sock"
    with (tmp_path / "lent").open("w") as lent:
        before = open_descriptors()
        with (
            answering(path, lambda connection: bool(socket.send_fds(connection, [b"{]\n"], [lent.fileno()]))),
            channel.connect(path, 5) as connection,
        ):
            channel.send(connection, {"ask": "for it"})
            with pytest.raises(ValueError, match="Expecting"):
                channel.receive(connection, 5)
        assert before == open_descriptors()


@as_root
def test_another_user_is_not_spoken_to(tmp_path: Path) -> None:
    """Neither as the worker nor as who asks: the peer's uid is the kernel's word."""
    path = tmp_path / "a.sock"
    with channel.Server(path).socket as listener:
        path.chmod(0o777)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        stranger = subprocess.Popen(["/usr/bin/python3", "-c", program, str(path)], user=65534)
        listener.setblocking(True)
        connection, _ = listener.accept()
        with connection:
            assert not _posix.is_own(connection)
        stranger.wait()
