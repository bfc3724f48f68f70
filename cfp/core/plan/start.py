"""`start`, `stop` and `autostart`: which of them act in which state."""

from __future__ import annotations

from dataclasses import dataclass

from cfp.core.facts import Facts, PortState
from cfp.core.plan.candidate import check_key
from cfp.core.plan.worker import WorkerAction, hangs, worker_action
from cfp.core.settings import Settings
from cfp.core.state import OUTCOMES, Pointing, Refusal, State, Verb, pointing, settings_pending, state_of
from cfp.core.unrecorded import running
from cfp.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """`reason` says why a running worker is replaced."""

    settings: Settings
    worker: WorkerAction
    reason: str
    from_state: State
    to_state: State


def plan_start(facts: Facts) -> StartPlan:
    """Decide `start`; raises Refused(settings_missing, port_in_use, provider_key_missing, upstream_key_missing)."""
    return _plan(facts, Verb.START)


def plan_autostart(facts: Facts) -> StartPlan:
    """Decide for the SessionStart hook: as `start`, but only where Codex uses us.

    It hands over from a worker that serves older settings, never for stale code alone. One that cannot hand over is
    replaced only where that cuts nothing.
    """
    # A session that does not use us has nothing to hear of our port or our keys.
    if facts.settings is not None and pointing(facts) is not Pointing.PROXIED:
        raise Refused(Refusal.CONFIG_NOT_PROXY)
    plan = _plan(facts, Verb.AUTOSTART)
    answers = facts.worker is not None and facts.worker.state is PortState.OURS
    # Version 0.1.0's does not tell how much it serves, and it may be this user's own turn.
    busy = facts.worker is not None and bool((facts.worker.health or {}).get("requests_in_flight", True))
    cuts = plan.worker is WorkerAction.REPLACE and busy
    if plan.worker.refreshes and answers and (cuts or not settings_pending(facts)):
        return StartPlan(
            settings=plan.settings,
            worker=WorkerAction.KEEP,
            reason="",
            from_state=plan.from_state,
            to_state=plan.from_state,
        )
    return plan


def _plan(facts: Facts, verb: Verb) -> StartPlan:
    state = state_of(facts)
    outcome = OUTCOMES[verb][state]
    settings = facts.settings
    if settings is None:
        raise Refused(Refusal.SETTINGS_MISSING)
    action = worker_action(facts, settings, facts.worker)
    hung = hangs(facts, facts.worker)
    if hung and verb is Verb.START:
        outcome = State.ENABLED
    if isinstance(outcome, Refusal):
        raise Refused(outcome)
    if action is not WorkerAction.KEEP:
        check_key(facts, settings)
    reason = "hung" if hung else "settings_changed" if settings_pending(facts) else "runtime_stale"
    return StartPlan(
        settings=settings,
        worker=action,
        reason=reason if action.refreshes else "",
        from_state=state,
        to_state=outcome,
    )


def plan_stop(facts: Facts, *, force: bool) -> bool:
    """Return whether a worker is to be stopped, be it one that drains.

    Raises Refused(config_points_to_proxy) without --force.
    """
    runs = running(facts) is not None
    outcome = OUTCOMES[Verb.STOP][state_of(facts)]
    # A drifted home may point at the proxy all the same: Codex would be cut off there too.
    cuts_off = isinstance(outcome, Refusal) or (runs and pointing(facts) is Pointing.PROXIED)
    if cuts_off and not force:
        raise Refused(Refusal.CONFIG_POINTS_TO_PROXY)
    return runs or bool(facts.draining)
