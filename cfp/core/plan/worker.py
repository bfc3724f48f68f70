"""What to do about the worker: start one, replace one, or leave it alone."""

from __future__ import annotations

import enum

from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.settings import Settings
from cfp.core.unrecorded import running
from cfp.errors import Refused


class WorkerAction(enum.StrEnum):
    NONE = "none"
    KEEP = "keep"
    START = "start"
    HAND_OVER = "hand_over"  # the new one takes the listener over, the old one finishes its streams
    REPLACE = "replace"  # for one that cannot hand over: stop it first

    @property
    def refreshes(self) -> bool:
        """True where another worker is to serve in the place of the one that runs."""
        return self in {WorkerAction.HAND_OVER, WorkerAction.REPLACE}


def worker_action(facts: Facts, settings: Settings, at: PortFact | None) -> WorkerAction:
    """Decide for these settings at this address; raises Refused: port_in_use, port_not_available."""
    if hangs(facts, at):
        return WorkerAction.REPLACE
    if at is not None and at.state in {PortState.FOREIGN, PortState.OTHER_HOME}:
        if at.barred:
            raise Refused("port_not_available", host=at.host, port=at.port)
        raise port_taken(at)
    if at is not None and at.state is PortState.OURS:
        right = serves(at, settings, facts.runtime.runtime_id) and not has_lost_its_home(at)
        return WorkerAction.KEEP if right else refresh(at)
    former = running(facts)
    return WorkerAction.START if former is None else refresh(former)


def port_taken(at: PortFact) -> Refused:
    """Return the refusal for an address where another program or another home's worker listens."""
    return Refused("port_in_use", host=at.host, port=at.port, owner=at.owner or "another program")


def refresh(at: PortFact) -> WorkerAction:
    """How the worker there gives way to a next one."""
    return WorkerAction.HAND_OVER if at.hands_over else WorkerAction.REPLACE


def hangs(facts: Facts, at: PortFact | None) -> bool:
    """True where a worker of this home holds the address and does not answer there."""
    stray = facts.stray
    return at is not None and stray is not None and (stray.host, stray.port) == (at.host, at.port)


def has_lost_its_home(at: PortFact) -> bool:
    """True where its folder was deleted under it: nobody can talk to it there, and its logs go nowhere."""
    return at.health is not None and at.health.hands_over and not at.hands_over


def serves(at: PortFact, settings: Settings, runtime_id: str) -> bool:
    """True where the worker there has exactly these settings and this code."""
    return at.health is not None and at.health.runtime_id == runtime_id and at.health.serves(settings)
