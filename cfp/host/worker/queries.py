"""Queries about the ports and worker processes of this machine; they return facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cfp.core.facts import PortFact, PortState
from cfp.core.health import WorkerHealth, parse_health
from cfp.host.disk import DISK
from cfp.host.worker import discovery, probe, processes
from cfp.host.worker.health import health_at, health_behind
from cfp.host.worker.predecessor import find_predecessor, find_unrecorded
from cfp.layout import Layout, is_same_home
from cfp.socket_owner import own_user, user_name

PROBE_TIMEOUT_S = 2.0
_LOOKS = 3
_LONGEST_NAME = 60  # characters of a program's name
Ask: TypeAlias = Callable[[str, int, float], tuple[probe.Status, dict[str, Any] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerQueries:
    """The queries of a survey about ports and worker processes.

    at_address  the listener at an address
    by_process  the worker of a home that no recorded address leads to, found by its process
    draining    the workers of a home that have handed over and finish their streams
    """

    at_address: Callable[[Layout, str, int], PortFact]
    by_process: Callable[[Layout, tuple[PortFact | None, ...]], PortFact | None]
    draining: Callable[[Layout], tuple[PortFact, ...]]


def _port(layout: Layout, host: str, port: int) -> PortFact:
    health, is_free = _listening_worker(host, port)
    if health is not None:
        home = health.codex_home
        ours = (
            _is_this_home(home, layout) or _was_this_home(health, layout)
            if home
            else find_predecessor(layout, host, port) is not None
        )
        state = PortState.OURS if ours else PortState.OTHER_HOME
        owner = f"the proxy of the Codex home {home}" if home else "the proxy of another Codex home"
        lends = ours and _hands_over(health, layout)
        return PortFact(
            host=host,
            port=port,
            state=state,
            health=health,
            owner=owner,
            hands_over=lends,
            out_of_sight=ours and processes.started(health.pid) is None,
            free_port=0 if ours else probe.free_port_near(host, port),
        )
    if is_free:
        return PortFact(host=host, port=port, state=PortState.FREE)
    listener = probe.port_owner(port)
    barred = listener is None and probe.port_barred(host, port)
    other_user = listener is not None and listener.user not in {None, own_user()}
    return PortFact(
        host=host,
        port=port,
        state=PortState.FOREIGN,
        owner=_in_words(listener, other_user=other_user),
        barred=barred,
        other_user=other_user,
        free_port=probe.free_port_near(host, port),
    )


def _listening_worker(
    host: str, port: int, ask: Ask = probe.probe, is_free: Callable[[str, int], bool] = probe.port_free
) -> tuple[WorkerHealth | None, bool]:
    """Return the health of the worker at an address, or None and whether the port is free.

    Between the two questions a worker may begin to listen, or one may end and the next begin: they are repeated where
    the answers contradict each other, or another session's worker would be taken for a stranger.
    """
    for _ in range(_LOOKS):
        status, answer = ask(host, port, PROBE_TIMEOUT_S)
        if answer is not None:
            return parse_health(answer), False
        if is_free(host, port):
            return None, True
        if status not in {probe.Status.REFUSED, probe.Status.HUNG_UP}:
            break
    return None, False


def _in_words(listener: probe.PortOwner | None, *, other_user: bool) -> str:
    """Return the owner of a foreign listener for a sentence; a pid of another user would help nobody."""
    if listener is not None and listener.user is not None and other_user:
        return f"another user of this machine ({user_name(listener.user)})"
    if listener is None or not listener.pid:
        return "another program"
    name = _name_of(listener.cmdline)
    return f"{name} (process {listener.pid})" if name else f"process {listener.pid}"


def _name_of(cmdline: Sequence[str]) -> str:
    """Return a program's file name; the other words of its command line may hold secrets."""
    path = cmdline[0].replace("\\", "/") if cmdline else ""
    return "".join(sign for sign in path.rpartition("/")[2][:_LONGEST_NAME] if sign.isprintable())


def _by_process(layout: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
    """Return the worker of this home that no known address leads to; of a hanging one only the pid is known."""
    if any(port_fact is not None and port_fact.state is PortState.OURS for port_fact in known):
        return None
    draining = {port_fact.pid for port_fact in _draining(layout)}
    workers = discovery.find_workers(layout.home)
    worker = next((worker for worker in workers if worker.pid not in draining), None)
    if worker is None:
        return _unrecorded_predecessor(layout)
    probed_already = any(
        port_fact is not None and (port_fact.host, port_fact.port) == (worker.host, worker.port)
        for port_fact in known
    )
    health = None if probed_already else health_at(worker.host, worker.port, PROBE_TIMEOUT_S)
    if health is None or health.nonce != worker.nonce:
        health_json = {"ok": False, "pid": worker.pid, "nonce": worker.nonce, "started": worker.started}
        return PortFact(host=worker.host, port=worker.port, state=PortState.OURS, health=parse_health(health_json))
    return PortFact(
        host=worker.host,
        port=worker.port,
        state=PortState.OURS,
        health=health,
        hands_over=_hands_over(health, layout),
    )


def _unrecorded_predecessor(layout: Layout) -> PortFact | None:
    worker = find_unrecorded(layout)
    return None if worker is None else _port(layout, *worker)


def _draining(layout: Layout) -> tuple[PortFact, ...]:
    return tuple(
        PortFact(host=health.host, port=health.port, state=PortState.OURS, health=health)
        for health in discovery.draining_workers(layout)
    )


def _hands_over(health: WorkerHealth, layout: Layout) -> bool:
    """Whether the worker offers a handover and its control channel exists: its home may have been deleted."""
    has_socket = layout.control(health.nonce).name in DISK.names(layout.worker)
    return health.hands_over and has_socket


def _is_this_home(home: str, layout: Layout) -> bool:
    return is_same_home(home, layout.home)


def _was_this_home(health: WorkerHealth, layout: Layout) -> bool:
    """Whether the worker's home has been renamed to this one: it is gone there, and its control channel came here."""
    if os.path.lexists(health.codex_home):
        return False
    behind = health_behind(layout.control(health.nonce)) if health.nonce else None
    return behind is not None and behind.nonce == health.nonce


LOCAL_QUERIES = WorkerQueries(at_address=_port, by_process=_by_process, draining=_draining)
