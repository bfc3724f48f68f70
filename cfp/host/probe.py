"""Who answers at a port: the worker's health, the listener's owner, whether a port is free.

Imported by the SessionStart hook's no-op path, so: stdlib only, nothing heavier than socket and json at import.
"""

from __future__ import annotations

import enum
import time

TYPE_CHECKING = False  # importing typing would cost the hook more than this module does
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Protocol

    class Watched(Protocol):
        """What `wait_healthy` needs of a child: `cfp.host.process.Child` is one."""

        @property
        def stderr(self) -> Path: ...

        def wait(self, timeout: float) -> bool: ...

        def last_words(self) -> str: ...


class Status(enum.StrEnum):
    """What a health request met."""

    HEALTHY = "healthy"
    REFUSED = "refused"  # nobody listens
    TIMED_OUT = "timed_out"  # somebody listens and does not answer in time
    FOREIGN = "foreign"  # something else answers


class Health(dict[str, "Any"]):
    """The worker's answer, as JSON, with the members that identify it as attributes."""

    __slots__ = ()

    @property
    def pid(self) -> int: ...

    @property
    def nonce(self) -> str:
        """Empty for the predecessor's worker, which has none."""

    @property
    def requests_in_flight(self) -> int: ...


def read_health(host: str, port: int, timeout: float) -> Health | None:
    """Ask the worker at `host:port`, in `timeout` seconds in all; None unless it is a worker that answers."""
    return probe(host, port, timeout)[1]


def probe(host: str, port: int, timeout: float) -> tuple[Status, Health | None]:
    """The same, and why there is no health."""
    raise NotImplementedError


class Owner:
    """The process behind a listener; `pid` and `cmdline` are None and () where the system does not tell us."""

    __slots__ = ("cmdline", "pid", "uid")

    def __init__(self, pid: int | None, uid: int | None, cmdline: tuple[str, ...]) -> None:
        self.pid = pid
        self.uid = uid
        self.cmdline = cmdline


def port_owner(port: int) -> Owner | None:
    """Find who listens at `port` on a loopback or wildcard address; None where nobody does."""
    raise NotImplementedError


def port_free(host: str, port: int) -> bool:
    """Whether a worker could listen at `host:port` now."""
    raise NotImplementedError


def wait_healthy(host: str, port: int, nonce: str, deadline: float, child: Watched) -> Health:
    """Wait until the worker with `nonce` answers.

    deadline  an instant of `time.monotonic()`
    Raises Failed(worker_did_not_start; reason, detail, log) when the child dies first or the deadline passes;
    stopping the child is then the caller's.
    """
    raise NotImplementedError
