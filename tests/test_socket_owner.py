"""The owner of a connection's other end, as the commands and the worker read it."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys

import pytest

from cfp.socket_owner import listener_users, own_user, peer_user, user_name
from tests.forger import UID, forger
from tests.systems import as_root, named_ipv6, on_linux, show_owner

if sys.platform == "linux":
    from cfp.socket_owner._linux import SockDiag
elif sys.platform == "win32":
    from cfp.socket_owner import _windows


@on_linux
def test_a_kernel_without_tcp_diag_is_no_answer() -> None:
    """It says "no such socket" of every socket; one that the table shows is a reason to read the table instead."""

    class Deaf:
        """A netlink socket on which the kernel answers ENOENT."""

        def send(self, _: bytes) -> None: ...

        def recv(self, _: int) -> bytes:
            return struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -2)

    check = SockDiag()
    check.close()
    check._socket = Deaf()  # type: ignore[assignment]  # a kernel of its own
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        with listener.accept()[0] as server, pytest.raises(OSError, match="No such file"):
            check.owner(server.getpeername(), server.getsockname())
        assert check.owner(("127.0.0.1", 1), ours.getsockname()) is None


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not report owners")
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), pytest.param(socket.AF_INET6, "::1", marks=named_ipv6)]
)
@pytest.mark.parametrize("wildcard", [False, True])
def test_a_listener_is_found_by_the_address_that_reaches_it(
    family: socket.AddressFamily, host: str, *, wildcard: bool
) -> None:
    """At the address itself and at a wildcard; not at another loopback address or port."""
    with socket.socket(family) as listener:
        try:
            listener.bind(({"::1": "::"}.get(host, "0.0.0.0") if wildcard else host, 0))
        except OSError:
            pytest.skip("no IPv6 loopback here")
        listener.listen()
        show_owner(listener)
        port = listener.getsockname()[1]
        assert {own_user()} == listener_users((host, port))
        assert set() == listener_users((host, 1))
        if host == "127.0.0.1":
            assert ({own_user()} if wildcard else set()) == listener_users(("127.0.0.2", port))


@as_root
def test_another_user_is_seen_from_the_clients_end() -> None:
    """Over the connection, and at the listener once that is closed."""
    with forger({}) as stranger, socket.create_connection(("127.0.0.1", stranger.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.recv(100)
        assert UID == peer_user(connection.getpeername(), connection.getsockname())
        assert {UID} == listener_users(connection.getpeername())


def test_importing_it_loads_nothing_heavy() -> None:
    """The hook's no-op path pays for every module."""
    code = "import sys; before = set(sys.modules); import cfp.socket_owner; print(*(set(sys.modules) - before))"
    listed = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert set() == {"typing", "pathlib", "dataclasses", "contextlib"} & set(listed.split())


@pytest.mark.skipif(sys.platform != "win32", reason="a SID is Windows'")
class TestSids:
    def test_the_user_is_named(self) -> None:
        """The user's SID has the name that the session has, and a SID that belongs to nobody is named by itself."""
        assert os.environ["USERNAME"].lower() == user_name(own_user()).rpartition("\\")[2].lower()
        assert "S-1-5-21-1-2-3-1001" == user_name("S-1-5-21-1-2-3-1001")

    def test_a_process_that_is_gone_has_none(self) -> None:
        """Nobody has it; a process that may not be opened belongs to a user that is not ours."""
        assert _windows.process_user(0xFFFFFFF0) is None
        assert _windows.UNNAMED != own_user()
        assert "does not show" in user_name(_windows.UNNAMED)

    @pytest.mark.parametrize("unreadable", [None, ""])
    def test_a_sid_of_ours_that_cannot_be_read_trusts_nobody(self, unreadable: str | None) -> None:
        """Else every process that shows no SID would be ours."""
        assert _windows.ours(unreadable) not in {None, _windows.UNNAMED}
        assert "does not show" in user_name(_windows.ours(unreadable))

    def test_an_account_has_a_name(self) -> None:
        """A group has none here, nor has a SID that nobody has."""
        assert user_name(own_user()) == _windows.account_name(str(own_user()))
        assert ["", ""] == [_windows.account_name(sid) for sid in ("S-1-5-32-544", "S-1-5-21-1-2-3-1001")]

    @pytest.mark.parametrize("sid", ["S-1-5-18", "S-1-5-21-3623811015-3361044348-30300820-1013"])
    def test_a_sid_is_read_as_it_is_written(self, sid: str) -> None:
        """The bytes of the kernel and the usual spelling say the same."""
        assert sid == _windows._written_sid(_windows._packed_sid(sid))
