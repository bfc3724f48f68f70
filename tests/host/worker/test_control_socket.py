"""The control socket: paths of any length, peers of other users, and descriptors that come with a line."""

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

from cfp.host.worker import control_socket
from tests.systems import as_root


@contextmanager
def answering(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Accept one connection at a control socket and answer it."""
    with control_socket.listen(path) as listener, ExitStack() as stack:
        listener.setblocking(True)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(1 << 16)  # what is left unread would reset the answer
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
    with answering(path, lambda connection: control_socket.send(connection, {"pid": 7})):
        assert control_socket.read_health(path, 5) == {"pid": 7}
    assert before == Path.cwd()
    assert 0o600 == path.stat().st_mode & 0o777


def test_without_proc_the_folder_is_the_way(tmp_path: Path) -> None:
    """Without /proc (macOS), the process changes into the folder for a moment, where the name is short enough."""
    folder = tmp_path.joinpath(*["d" * 100] * 3)
    folder.mkdir(parents=True)
    program = (
        "import sys; sys.platform = 'darwin'\n"
        "from pathlib import Path; from cfp.host.worker import control_socket as control\n"
        "path = Path(sys.argv[1]); listener = control.listen(path)\n"
        "control.connect(path, 5).close(); listener.close(); print(Path.cwd())\n"
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
    control_socket.listen(path).close()
    assert control_socket.read_health(path, 5) is None
    with answering(path, lambda connection: control_socket.send(connection, {"pid": 7})):
        assert control_socket.read_health(path, 5) == {"pid": 7}


@pytest.mark.parametrize("answer", [b"", b"{", b"[]\n", b"{}\n", b'{"pid": true}\n', b"\xff\n", b"[" * 9999 + b"\n"])
def test_garbage_is_no_health(tmp_path: Path, answer: bytes) -> None:
    """Nor is half a line."""
    path = tmp_path / "a.sock"
    with answering(path, lambda connection: connection.sendall(answer)):
        assert control_socket.read_health(path, 5) is None


def test_silence_is_no_health(tmp_path: Path) -> None:
    """A worker that hangs costs its time limit, not more."""
    path = tmp_path / "a.sock"
    with answering(path, lambda connection: connection.recv(1)):
        assert control_socket.read_health(path, 0.2) is None


def test_descriptors_arrive_with_their_line(tmp_path: Path) -> None:
    """They are the sender's own files, and no child of ours inherits them."""
    path = tmp_path / "a.sock"
    (tmp_path / "lent").write_text("lent")
    with (
        (tmp_path / "lent").open() as lent,
        answering(path, lambda connection: control_socket.send(connection, {"n": 1}, [lent.fileno()])),
        control_socket.connect(path, 5) as connection,
    ):
        control_socket.send(connection, {"ask": "for it"})
        message, (descriptor,) = control_socket.receive(connection, 5)
    assert {"n": 1} == message
    assert not os.get_inheritable(descriptor)
    with os.fdopen(descriptor) as file:
        assert "lent" == file.read()


def test_a_broken_line_leaves_no_descriptor(tmp_path: Path) -> None:
    """Descriptors that came with it are closed."""
    path = tmp_path / "a.sock"
    with (tmp_path / "lent").open("w") as lent:
        before = open_descriptors()
        with (
            answering(path, lambda connection: bool(socket.send_fds(connection, [b"{]\n"], [lent.fileno()]))),
            control_socket.connect(path, 5) as connection,
        ):
            control_socket.send(connection, {"ask": "for it"})
            with pytest.raises(ValueError, match="Expecting"):
                control_socket.receive(connection, 5)
        assert before == open_descriptors()


@as_root
def test_another_user_is_not_spoken_to(tmp_path: Path) -> None:
    """Neither as the worker nor as who asks: the peer's uid is the kernel's word."""
    path = tmp_path / "a.sock"
    with control_socket.listen(path) as listener:
        path.chmod(0o777)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
        program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
        stranger = subprocess.Popen(["/usr/bin/python3", "-c", program, str(path)], user=65534)
        listener.setblocking(True)
        connection, _ = listener.accept()
        with connection:
            assert not control_socket.is_own(connection)
        stranger.wait()
