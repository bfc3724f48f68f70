"""The decision about the worker: start one, replace one, or leave it alone."""

from __future__ import annotations

import enum
from typing import Any

from cfp.advice import quoted
from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.settings import Settings
from cfp.errors import Refused


class WorkerAction(enum.StrEnum):
    """The action on the worker; `worker` of a dry run."""

    NONE = "none"
    KEEP = "keep"
    START = "start"
    HAND_OVER = "hand_over"  # the new one takes the listener over, the old one finishes its streams
    REPLACE = "replace"  # for one that cannot hand over: stop it first

    @property
    def refreshes(self) -> bool:
        """Whether another worker is to serve in the place of the running one."""
        return self in {WorkerAction.HAND_OVER, WorkerAction.REPLACE}


def worker_action(facts: Facts, settings: Settings, port_fact: PortFact | None) -> WorkerAction:
    """Decide for these settings at this address; raises Refused: port_in_use, port_not_available."""
    if hangs(facts, port_fact):
        return WorkerAction.REPLACE
    if port_fact is not None and port_fact.state in {PortState.FOREIGN, PortState.OTHER_HOME}:
        raise port_taken(port_fact)
    if port_fact is not None and port_fact.state is PortState.OURS:
        fits = serves(port_fact, settings, facts.runtime.runtime_id) and not home_was_deleted(port_fact)
        return WorkerAction.KEEP if fits else refresh(port_fact)
    elsewhere = facts.running_worker
    return WorkerAction.START if elsewhere is None else refresh(elsewhere)


def port_taken(port_fact: PortFact) -> Refused:
    """Return the refusal for an address where others listen, or which the system gives to nobody."""
    details = {**address_details(port_fact), "owner": port_fact.owner or "another program"}
    return Refused("port_not_available" if port_fact.barred else "port_in_use", **details)


def address_details(port_fact: PortFact) -> dict[str, Any]:
    """Return the values for the sentences about an address that this home's worker cannot have."""
    address = {name: getattr(port_fact, name) for name in ("host", "port", "owner")}
    return {**address, "free_port": port_fact.free_port or "NUMBER"}


def port_details(facts: Facts) -> dict[str, Any]:
    """Return the values for the sentences about the saved port."""
    address = {} if facts.worker is None else address_details(facts.worker)
    return {**address, "home": facts.sharing_home, "quoted_home": quoted(facts.sharing_home)}


def check_in_sight(port_fact: PortFact | None) -> None:
    """Refuse to end or replace a worker whose process cannot be seen: it would go on, and be called ended.

    Raises Refused(worker_out_of_sight).
    """
    if port_fact is not None and port_fact.out_of_sight:
        raise Refused("worker_out_of_sight", pid=port_fact.pid, host=port_fact.host, port=port_fact.port)


def refresh(port_fact: PortFact) -> WorkerAction:
    """Return the way in which the worker there gives way to a next one; raises Refused(worker_out_of_sight)."""
    check_in_sight(port_fact)
    return WorkerAction.HAND_OVER if port_fact.hands_over else WorkerAction.REPLACE


def hangs(facts: Facts, port_fact: PortFact | None) -> bool:
    """Whether a worker of this home holds the address and does not answer there."""
    worker = facts.worker_by_process
    return (
        port_fact is not None
        and worker is not None
        and (worker.host, worker.port) == (port_fact.host, port_fact.port)
    )


def home_was_deleted(port_fact: PortFact) -> bool:
    """Whether its folder was deleted while it runs: its control socket is gone, and its logs go nowhere."""
    return port_fact.health is not None and port_fact.health.hands_over and not port_fact.hands_over


def serves(port_fact: PortFact, settings: Settings, runtime_id: str) -> bool:
    """Whether the worker there serves these settings and runs this code."""
    return (
        port_fact.health is not None
        and port_fact.health.runtime_id == runtime_id
        and port_fact.health.serves(settings)
    )
