"""The worker of codex-fast-proxy 0.1.0. It has no nonce, so other proofs find and end it."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from cfp.core.settings import DEFAULT_HOST
from cfp.errors import Failed
from cfp.host.system.files.file_use import read_bytes
from cfp.host.worker import processes
from cfp.host.worker.health import health_at
from cfp.host.worker.probe import port_owner
from cfp.host.worker.shutdown import StopResult
from cfp.layout import Layout
from cfp.socket_owner import own_user

_HEALTH_TIMEOUT = 2.0
_TERM = 2.0  # its shutdown deadlocks on SIGTERM, so a longer wait is useless
_KILL = 5.0


def find_predecessor(layout: Layout, host: str, port: int) -> int | None:
    """Return the pid of the predecessor's worker at its recorded address; None unless every proof holds.

    Health without a nonce, pid file and listener name one pid, which is a process of our user with the
    command line `… codex_fast_proxy serve … --port PORT`, and without the folder of another home.
    """
    health = health_at(host, port, _HEALTH_TIMEOUT)
    if health is None or health.nonce or health.pid != _pid_file(layout):
        return None
    owner = port_owner(port)
    if owner is None or owner.pid != health.pid or owner.user != own_user():
        return None
    if processes.is_of_another_home(owner.cmdline, str(layout.home)):
        return None
    pairs = set(pairwise(owner.cmdline))
    return owner.pid if {("codex_fast_proxy", "serve"), ("--port", str(port))} <= pairs else None


def find_unrecorded(layout: Layout) -> tuple[str, int] | None:
    """Return the address of the predecessor's worker from its command line, for a home without settings."""
    pid = _pid_file(layout)
    flags = dict(pairwise(processes.cmdline(pid))) if pid is not None else {}
    host, port = flags.get("--host", DEFAULT_HOST), flags.get("--port", "")
    if not port.isdecimal() or find_predecessor(layout, host, int(port)) is None:
        return None
    return host, int(port)


def stop_predecessor(layout: Layout, host: str, port: int) -> StopResult:
    """End it: SIGTERM, 2 s, SIGKILL. Its requests are cut; it does not report their number.

    Raises Failed(worker_did_not_stop; pid).
    """
    pid = find_predecessor(layout, host, port)
    started = None if pid is None else processes.started(pid)
    handle = None if pid is None else processes.hold(pid)
    if pid is None or started is None or handle is None:
        return StopResult(was_running=False)
    with handle:
        # Proven once more under the hold: the pid may belong to another process by now.
        if find_predecessor(layout, host, port) != pid or not processes.is_alive(pid, started):
            return StopResult(was_running=False)
        handle.signal(kill=False)
        if not handle.wait(_TERM):
            handle.signal(kill=True)
            if not handle.wait(_KILL):
                raise Failed("worker_did_not_stop", pid=pid)
    return StopResult(was_running=True)


def _pid_file(layout: Layout) -> int | None:
    """Return the pid in its pid file; None where there is none."""
    with suppress(OSError, ValueError):
        return int(read_bytes(layout.pid_file))
    return None
