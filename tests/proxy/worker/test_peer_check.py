"""The owner of a connection's other end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.peer_check import PeerGuard
from cfp.proxy.worker.worker import Worker
from cfp.socket_owner import lookups, own_user

if TYPE_CHECKING:
    from cfp.socket_owner import Address, OwnerLookup
from tests.proxy.support import Client, asynchronous, upstream, worker
from tests.systems import as_root, on_linux

WAYS = lookups()
if sys.platform == "win32":
    from cfp.socket_owner._windows import TcpTable

    WAYS = (TcpTable,)  # under Wine, too, where the worker does not use it


def pair(family: socket.AddressFamily, host: str) -> tuple[socket.socket, socket.socket]:
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname()[:2])
        return client, listener.accept()[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("family", "host"),
    [
        (socket.AF_INET, "127.0.0.1"),
        pytest.param(
            *(socket.AF_INET6, "::1"), marks=pytest.mark.beyond_wine("the process of a connection over IPv6")
        ),
    ],
)
def test_the_owner_of_a_connection_is_found(
    way: Callable[[], OwnerLookup], family: socket.AddressFamily, host: str
) -> None:
    """Our own connection is our user's; one that does not exist has no owner."""
    try:
        client, server = pair(family, host)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    for near, far in ((client, server), (server, client)):
        near.sendall(b"x")  # Wine names the process of a socket only once that has read from it
        far.recv(1)
    check = way()
    peer, ours = server.getpeername()[:2], server.getsockname()[:2]
    assert check.owner(peer, ours) == own_user()
    assert check.owner(peer, (ours[0], 1)) is None
    client.close()
    server.close()
    assert check.owner(peer, ours) is None
    check.close()


@as_root
@pytest.mark.parametrize("way", WAYS)
def test_another_users_uid_is_reported(way: Callable[[], OwnerLookup]) -> None:
    """The uid of another user's process is reported while it runs; afterwards its socket has no owner."""
    program = (
        "import encodings.idna, os, socket, sys; os.setuid(12345)\n"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print('up', flush=True); sys.stdin.read()"
    )
    check = way()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", program, str(listener.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            server = listener.accept()[0]
            peer, ours = server.getpeername(), server.getsockname()
            assert check.owner(peer, ours) == 12345
            other.kill()
        assert check.owner(peer, ours) is None
        server.close()
    check.close()


class Fake:
    """A check that returns one uid, or fails."""

    name = "fake"

    def __init__(self, answer: int | OSError | None) -> None:
        self._answer = answer

    def owner(self, peer: Address, ours: Address) -> int | None:
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("answers", "trusted", "name"),
    [
        ([7], True, "fake"),
        ([8], False, "fake"),
        ([None], None, "fake"),
        ([OSError(), 8], False, "fake"),
        ([OSError(), OSError()], True, "none"),
        ([], True, "none"),
    ],
)
def test_only_our_own_user_is_trusted(
    answers: list[int | OSError | None], *, trusted: bool | None, name: str
) -> None:
    """The next check replaces one that fails; without any, health says so. A peer that has left has no owner."""
    guard = PeerGuard([lambda answer=answer: Fake(answer) for answer in answers], 7)  # type: ignore[misc]  # a lambda
    assert [guard.trusts(("h", 1), ("h", 2)) for _ in range(2)] == [trusted, trusted]
    assert guard.name == name


@asynchronous
async def test_who_has_left_is_not_called_another_user(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A request of a client that has left is not served, and logged as that; no warning names another user."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        guarded = Worker(running.worker.config, guard=PeerGuard([lambda: Fake(None)], 7))
        await guarded.start()
        client: Client = await running.client(port=guarded.port)
        client.get(b"/v1/models")
        with suppress(ConnectionResetError):
            assert await client.closed() == b""
        await client.close()
        await guarded.stop()
        assert up.requests == []
    (line,) = running.log()
    assert (line["status"], line["error_type"]) == (None, "client_left")
    assert "peer_not_allowed" not in capfd.readouterr().err


@on_linux
@asynchronous
async def test_a_real_client_that_leaves_is_logged_as_that(tmp_path: Path) -> None:
    """It has sent a request and closed before the worker accepts the connection; the next client is served."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        with socket.create_connection(("127.0.0.1", running.worker.port)) as leaving:
            leaving.sendall(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % running.worker.port)
        client: Client = await running.client()
        client.get(b"/v1/other")
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
        await client.close()
        assert [request.start for request in up.requests] == [b"GET /api/v1/other HTTP/1.1"]
    lines = [(line["path"], line["status"], line["error_type"]) for line in running.log()]
    assert sorted(lines) == [("/v1/models", None, "client_left"), ("/v1/other", 200, None)]


@asynchronous
async def test_another_users_request_goes_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """403 on every path, health too; nothing reaches the provider."""
    async with upstream() as up, worker(tmp_path, up.base) as running:
        config: WorkerConfig = running.worker.config
        guarded = Worker(config, guard=PeerGuard([lambda: Fake(8)], 7))
        await guarded.start()
        for path in (b"/v1/models", b"/__codex_fast_proxy/health"):
            client: Client = await running.client(port=guarded.port)
            client.get(path)
            response = await client.response()
            assert response.start == b"HTTP/1.1 403 Forbidden"
            await client.close()
        await guarded.stop()
        assert up.requests == []
    assert json.loads(capfd.readouterr().err.splitlines()[0])["event"] == "peer_not_allowed"
