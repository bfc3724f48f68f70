"""Two machines on this one: network namespaces of Linux with a cable between them, for tests of lost networks.

    HERE   the machine of the worker and its clients
    THERE  the provider's

A network namespace belongs to a thread: a test runs in a thread of its own, in HERE. A socket keeps the namespace
that it was made in, so that provider, worker and client share one event loop. Needs root, and the command `ip`.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec

import pytest

from tests.proxy.support import SECONDS, asynchronous

P = ParamSpec("P")
HERE: Final = "10.77.0.2"
ELSEWHERE: Final = "10.77.0.3"  # the address of HERE in another network
THERE: Final = "10.77.0.1"
_NETWORK_NAMESPACE: Final = 0x40000000  # CLONE_NEWNET, linux/sched.h
_CABLE: Final = "cable"
_NUMBERS: Final = count()
IP: Final = shutil.which("ip")

with_namespaces = pytest.mark.posix("network namespaces", needs="root")


def _ip(*words: str) -> None:
    subprocess.run([IP or "ip", *words], check=True)


@dataclass(frozen=True, slots=True)
class Network:
    """The namespaces' names."""

    here: str
    there: str

    def listen(self, port: int = 0) -> socket.socket:
        """Return a listening socket of THERE."""
        with _inside(self.there):
            return socket.create_server((THERE, port))

    def move(self, *, back: bool = False) -> None:
        """Give HERE another address, as another network does; connections of the old one hear nothing of it."""
        former, next_one = (ELSEWHERE, HERE) if back else (HERE, ELSEWHERE)
        _ip("-n", self.here, "addr", "add", f"{next_one}/24", "dev", _CABLE)
        _ip("-n", self.here, "addr", "del", f"{former}/24", "dev", _CABLE)
        # The second address of a subnet goes with the first, unless the kernel promotes it.
        _ip("-n", self.here, "addr", "replace", f"{next_one}/24", "dev", _CABLE)

    def join_second(self) -> None:
        """Give HERE a second address, which new connections have from now on; the first one works still."""
        _ip("-n", self.here, "addr", "add", f"{ELSEWHERE}/24", "dev", _CABLE)
        _ip("-n", self.here, "route", "replace", f"{THERE}/32", "dev", _CABLE, "src", ELSEWHERE)

    def cut(self) -> None:
        """Lose every packet from now on: THERE has pulled its cable out, and nobody sends a reset."""
        _ip("-n", self.there, "link", "set", _CABLE, "down")

    def mend(self) -> None:
        """End a cut."""
        _ip("-n", self.there, "link", "set", _CABLE, "up")

    def unplug(self) -> None:
        """Leave HERE without an interface, and so without a route."""
        _ip("-n", self.here, "link", "set", _CABLE, "down")

    def plug(self) -> None:
        _ip("-n", self.here, "link", "set", _CABLE, "up")


@contextmanager
def network() -> Iterator[Network]:
    name = f"cfp-{os.getpid()}-{next(_NUMBERS)}"
    made = Network(f"{name}-here", f"{name}-there")
    try:
        for namespace in (made.here, made.there):
            _ip("netns", "add", namespace)
        _ip("-n", made.here, "link", "add", _CABLE, "type", "veth", "peer", "name", _CABLE, "netns", made.there)
        for namespace, address in ((made.here, HERE), (made.there, THERE)):
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "link", "set", _CABLE, "up")
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", _CABLE)
        yield made
    finally:
        for namespace in (made.here, made.there):
            subprocess.run([IP or "ip", "netns", "del", namespace], check=False)


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """Have this thread in a namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with Path("/run/netns", namespace).open() as file:
            _enter(file.fileno())
        try:
            yield
        finally:
            _enter(before)
    finally:
        os.close(before)


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _NETWORK_NAMESPACE):
        raise OSError(ctypes.get_errno(), "setns")


def on_two_machines(
    test: Callable[Concatenate[Network, P], Coroutine[Any, Any, None]], *, seconds: float = SECONDS
) -> Callable[P, None]:
    """Run a coroutine test in HERE for at most so many seconds, with the network as its first argument."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        failures: list[BaseException] = []

        def body(made: Network) -> None:
            try:
                with _inside(made.here):
                    asynchronous(test, seconds=seconds)(made, *args, **kwargs)
            except BaseException as failure:  # noqa: BLE001  raised again below, in the test's own thread
                failures.append(failure)

        with network() as made:
            thread = threading.Thread(target=body, args=(made,))
            thread.start()
            thread.join()
        if failures:
            raise failures[0]

    whole = inspect.signature(test)  # pytest would take the network for a fixture
    run.__signature__ = whole.replace(parameters=list(whole.parameters.values())[1:])  # type: ignore[attr-defined]  # it may be set
    return run
