"""Health requests and the owner of a port, over real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.host.worker import health_request, probe, processes
from cfp.host.worker.probe import Status
from cfp.host.worker.queries import _in_words, _listening_worker
from cfp.layout import HEALTH_PATH
from cfp.proxy.worker.listener import bind
from cfp.socket_owner import own_user
from tests.forger import forger
from tests.host.servers import says, says_and_stays, serving
from tests.host.worker.test_processes import SYSTEMS
from tests.ports import free_port
from tests.systems import as_root, named_ipv6, show_owner

BODY = b'{"ok": true, "pid": 7, "nonce": "ab12", "upstream_base": "https://r.example/v1", "requests_in_flight": 2}'
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.mark.parametrize("first", [Status.REFUSED, Status.HUNG_UP])
def test_a_worker_that_begins_to_listen_is_no_stranger(first: Status) -> None:
    """Nobody answers, and then the port is not free: a worker came between the two questions, and is asked again."""
    answers = iter([(first, None), (Status.HEALTHY, json.loads(BODY))])
    health, free = _listening_worker("127.0.0.1", 1, lambda *_: next(answers), lambda *_: False)
    assert (7, False) == (health and health.pid, free)


@pytest.mark.parametrize("outcome", [Status.FOREIGN, Status.TIMED_OUT, Status.OTHER_USER])
def test_a_stranger_is_asked_once(outcome: Status) -> None:
    """A listener that answers otherwise, or not at all, costs one question."""
    answers = iter([(outcome, None)])
    assert (None, False) == _listening_worker("127.0.0.1", 1, lambda *_: next(answers), lambda *_: False)


def test_the_path_is_the_layouts() -> None:
    """The light copy of the path is the path."""
    assert health_request.HEALTH_PATH == HEALTH_PATH


def test_importing_it_loads_nothing_heavy() -> None:
    """The hook's no-op path pays for every module: none of the costly ones comes in."""
    heavy = {
        "typing",
        "dataclasses",
        "pathlib",
        "asyncio",
        "subprocess",
        "urllib",
        "http",
        "ssl",
        "psutil",
        "logging",
        "socket",
        "json",
        "re",
        "enum",
    }
    module = "cfp.host.worker.health_request"
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    listed = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert set() == heavy & {name.partition(".")[0] for name in listed.split()}


def test_a_worker_is_read() -> None:
    """Its members are there as JSON and the identifying ones as attributes; the connection need not close."""
    with serving(says_and_stays(HEALTHY)) as server:
        health = health_request.read_health("127.0.0.1", server.port, 20)
        assert health is not None
        assert (7, "ab12", 2) == (health["pid"], health["nonce"], health["requests_in_flight"])
        assert health["upstream_base"] == "https://r.example/v1"
    assert [f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()] == (server.requests)


def test_an_answer_in_pieces_and_without_length_is_read() -> None:
    """The predecessor may end its answer by closing; pieces may come one by one."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with serving(says(head, BODY[:9], BODY[9:])) as server:
        assert health_request.read_health("127.0.0.1", server.port, 20) is not None


def test_ipv6_is_asked_by_its_own_host_header() -> None:
    """The worker admits exact Host values only."""
    with serving(says(HEALTHY), host="::1") as server:
        assert health_request.read_health("::1", server.port, 20) is not None
    assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


def test_the_predecessors_health_has_no_nonce() -> None:
    """It is recognised all the same."""
    body = b'{"ok": true, "pid": 7, "proxy_base": "/v1", "upstream_base": "https://r.example/v1"}'
    with serving(says(b"HTTP/1.1 200 OK\r\n\r\n" + body)) as server:
        health = health_request.read_health("127.0.0.1", server.port, 20)
    assert health is not None
    assert "nonce" not in health


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Status.HUNG_UP),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Status.FOREIGN),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Status.FOREIGN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", Status.FOREIGN),
        (b"HTTP/1.1 200 OK\r\n\r\n[1]", Status.FOREIGN),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ok": true, "pid": true, "upstream_base": "u"}', Status.FOREIGN),
        (b'HTTP/1.1 200 OK\r\n\r\n{"ok": true, "pid": 7}', Status.FOREIGN),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60000, Status.FOREIGN),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 200000, Status.FOREIGN),
    ],
)
def test_anything_else_is_told_apart(answer: bytes, expected: Status) -> None:
    """Another program at the port is no worker, whatever it says."""
    with serving(says(answer)) as server:
        assert (expected, None) == probe.probe("127.0.0.1", server.port, 20)


@as_root
@pytest.mark.parametrize("manner", ["stay", "close", "reset"])
def test_another_users_health_is_none_of_ours(manner: str) -> None:
    """Whatever it says and however it ends: every byte of a health answer can be copied, the owner's uid cannot."""
    health = {"ok": True, "pid": os.getpid(), "nonce": "ab", "upstream_base": "u"}
    with forger(health, manner=manner) as stranger:
        assert (Status.OTHER_USER, None) == probe.probe("127.0.0.1", stranger.port, 20)
        assert health_request.read_health("127.0.0.1", stranger.port, 20) is None
    assert ["GET /__codex_fast_proxy/health"] * 2 == stranger.requests


@pytest.mark.parametrize(
    ("user", "expected"), [("ours", Status.HEALTHY), ("another", Status.OTHER_USER), (OSError(), Status.HEALTHY)]
)
def test_the_owner_of_the_connection_decides(user: str | OSError, expected: Status) -> None:
    """Ours is believed and another's is not; so is everybody where the system reports no owner, as doctor says."""

    def owner(_peer: tuple[str, int], _ours: tuple[str, int]) -> int | str:
        if isinstance(user, OSError):
            raise user
        return own_user() if user == "ours" else user

    with serving(says_and_stays(HEALTHY)) as server:
        status, health = probe.probe("127.0.0.1", server.port, 20, owner)
    assert (expected, expected is Status.HEALTHY) == (status, health is not None)


def test_nobody_is_refused() -> None:
    """A closed port says so at once."""
    assert (Status.REFUSED, None) == probe.probe("127.0.0.1", free_port(), 20)


@pytest.mark.parametrize("sent", [b"", HEALTHY[:-1]])
def test_silence_is_limited_in_all(sent: bytes) -> None:
    """Whoever accepts and does not finish an answer costs the time limit, not more."""
    with serving(says_and_stays(sent)) as server:
        assert (Status.TIMED_OUT, None) == probe.probe("127.0.0.1", server.port, 0.2)


def test_a_slow_drip_does_not_extend_the_limit() -> None:
    """The limit is for the whole answer, not for each piece of it."""
    stop = threading.Event()

    def drip(connection: socket.socket, _request: bytes) -> None:
        while not stop.wait(0.05):
            connection.sendall(b" ")

    with serving(drip) as server:
        assert (Status.TIMED_OUT, None) == probe.probe("127.0.0.1", server.port, 0.4)
        stop.set()


@given(body=st.binary(max_size=200), cut=st.integers(0, 300))
@example(body=b"HTTP/1.1 200 \xff\r\nContent-Length: \xb2\r\n\r\n", cut=300)
def test_no_bytes_make_it_raise(body: bytes, cut: int) -> None:
    """Whatever a stranger sends is an answer to judge, never an exception."""
    answer = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)[:cut]
    assert health_request._parse(answer) is None
    assert health_request._is_complete(answer) in {True, False}
    assert health_request._parse(body) is None


ASKING = """
import sys
from cfp.host.worker import probe
print(flush=True)
while True:
    probe.port_free("127.0.0.1", int(sys.argv[1]))
"""


class TestPorts:
    @contextmanager
    def listener(self, address: str, family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
        with socket.create_server((address, 0), family=family) as server:
            show_owner(server)
            yield int(server.getsockname()[1])

    def test_a_free_port_is_free_and_stays_free(self) -> None:
        """Asking takes nothing."""
        port = free_port()
        assert [probe.port_free("127.0.0.1", port) for _ in range(2)] == [True, True]

    @pytest.mark.posix("Windows binds exclusively")
    def test_asking_keeps_no_worker_from_it(self) -> None:
        """Twelve hooks ask at once whether the port is free, while one of their workers begins to listen."""
        port = free_port()
        asking = [
            subprocess.Popen([sys.executable, "-c", ASKING, str(port)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        try:
            for process in asking:
                assert process.stdout is not None
                assert process.stdout.readline()
            for _ in range(1000):
                for listening in bind("127.0.0.1", port):
                    listening.close()
        finally:
            for process in asking:
                process.kill()
                process.communicate()

    @pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
    def test_a_listener_takes_it(self, address: str) -> None:
        """A wildcard listener is in the way of ours too."""
        with self.listener(address) as port:
            assert not probe.port_free("127.0.0.1", port)
            assert not probe.port_free("localhost", port)

    def test_a_connection_in_time_wait_does_not(self) -> None:
        """A port whose last listener is gone is free at once, as it is for the worker."""
        with serving(says(HEALTHY)) as server:
            assert health_request.read_health("127.0.0.1", server.port, 20) is not None
        assert probe.port_free("127.0.0.1", server.port)

    def test_an_address_that_is_not_ours_is_not_free(self) -> None:
        """No port is free at an address that nobody can listen at."""
        assert not probe.port_free("192.0.2.1", free_port())
        assert not probe.port_free("nonexistent.invalid", 1)

    def test_a_free_port_is_found_near_by(self) -> None:
        """It is the next that nobody listens at, no low one, and 0 at an address that nobody can listen at."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            near = probe.free_port_near("127.0.0.1", port - 1)
            assert port < near <= port + 100
            assert probe.port_free("127.0.0.1", near)
        assert 1023 < probe.free_port_near("127.0.0.1", 80) <= 1123
        assert 0 == probe.free_port_near("192.0.2.1", 8787)
        assert 0 == probe.free_port_near("127.0.0.1", 65535)

    @pytest.mark.parametrize(
        ("address", "family"),
        [
            ("127.0.0.1", socket.AF_INET),
            ("0.0.0.0", socket.AF_INET),
            pytest.param("::1", socket.AF_INET6, marks=named_ipv6),
            pytest.param("::", socket.AF_INET6, marks=named_ipv6),
        ],
    )
    def test_the_owner_is_named(self, address: str, family: socket.AddressFamily) -> None:
        """pid, user and command line of a listener that a loopback client would reach."""
        with self.listener(address, family) as port:
            owner = probe.port_owner(port)
        assert owner is not None
        assert (os.getpid(), own_user(), processes.cmdline(os.getpid())) == (owner.pid, owner.user, owner.cmdline)
        assert "pytest" not in repr(owner)

    def test_no_listener_has_no_owner(self) -> None:
        """A connected socket at that port is no listener."""
        assert probe.port_owner(free_port()) is None

    @pytest.mark.parametrize("system", SYSTEMS)
    def test_both_systems_agree(self, system: object) -> None:
        """/proc and psutil name the same owner."""
        with self.listener("127.0.0.1") as port:
            expected = (os.getpid(), own_user(), processes.cmdline(os.getpid()))
            assert expected == system.listener(port)  # type: ignore[attr-defined]  # a module
        assert system.listener(port) is None  # type: ignore[attr-defined]  # a module


def test_sockets_are_allowed_here() -> None:
    """The tests do not run in a sandbox; tests/end_to_end/test_sandbox.py looks from inside of one."""
    assert not probe.sockets_barred()


@pytest.mark.parametrize(
    ("cmdline", "words"),
    [
        (("/usr/bin/node", "--token", "sk-secret"), "node (process 7)"),
        (("C:\\Program Files\\My App\\app.exe",), "app.exe (process 7)"),
        (("nginx: master process /usr/sbin/nginx",), "nginx (process 7)"),
        (("/opt/a\x1b[31mb",), "a[31mb (process 7)"),
        (("x" * 100,), f"{'x' * 60} (process 7)"),
        (("",), "process 7"),
        ((), "process 7"),
    ],
)
def test_the_program_behind_a_port_is_named(cmdline: tuple[str, ...], words: str) -> None:
    """By its file's name, without the other words of its command line, which may hold secrets."""
    owner = probe.PortOwner(7, own_user(), cmdline)
    assert words == _in_words(owner, other_user=False)
