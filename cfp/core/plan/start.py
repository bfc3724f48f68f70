"""`start`, `stop` and `autostart`: whether a worker is started, refreshed or stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cfp.core.facts import Facts
from cfp.core.plan.candidate import check_key
from cfp.core.plan.worker import WorkerAction, check_in_sight, hangs, port_taken, worker_action
from cfp.core.settings import Settings
from cfp.core.state import State, settings_pending, state_of, uses_proxy
from cfp.errors import Refused

# The states in which a home lacks nothing but the right worker.
_INSTALLED: Final = frozenset({State.ENABLED, State.ENABLED_PENDING, State.ENABLED_DOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """The worker to run.

    reason  of a refresh: hung, settings_changed or runtime_stale; empty where no worker is refreshed
    """

    settings: Settings
    worker: WorkerAction
    reason: str
    from_state: State
    to_state: State


def plan_start(facts: Facts) -> StartPlan:
    """Decide `start`; raises Refused(settings_missing, port_in_use, provider_key_missing, upstream_key_missing)."""
    return _plan(facts, replaces_hung=True)


def plan_autostart(facts: Facts) -> StartPlan:
    """Decide for the SessionStart hook: like `start`, but only where Codex uses the proxy.

    It hands over from a worker that serves older settings, never for stale code alone. A worker that cannot hand over
    is replaced only where it serves no request. Raises what `plan_start` raises, and Refused(config_not_proxy).
    """
    # First of all: a session that does not use the proxy needs neither its port nor its keys.
    if facts.settings is not None and not uses_proxy(facts):
        raise Refused("config_not_proxy")
    plan = _plan(facts, replaces_hung=False)
    worker = facts.own_worker
    if worker is None or not plan.worker.refreshes:
        return plan
    # 0.1.0's worker does not count its requests in flight, and there may be some.
    busy = worker.health is None or worker.health.requests_in_flight != 0
    if settings_pending(facts) and not (plan.worker is WorkerAction.REPLACE and busy):
        return plan
    return replace(plan, worker=WorkerAction.KEEP, reason="", to_state=plan.from_state)


def _plan(facts: Facts, *, replaces_hung: bool) -> StartPlan:
    settings, worker = facts.settings, facts.worker
    if settings is None:
        _check_readable(facts)
        raise Refused("settings_missing")
    action = worker_action(facts, settings, worker)
    if action is not WorkerAction.KEEP:
        _check_readable(facts)
    state = state_of(facts)
    hung = hangs(facts, worker)
    if worker is not None and state is State.FOREIGN and not (hung and replaces_hung):
        raise port_taken(worker)
    if action is not WorkerAction.KEEP:
        check_key(facts, settings)
    reason = "hung" if hung else "settings_changed" if settings_pending(facts) else "runtime_stale"
    return StartPlan(
        settings=settings,
        worker=action,
        reason=reason if action.refreshes else "",
        from_state=state,
        to_state=State.ENABLED if state in _INSTALLED or (hung and replaces_hung) else state,
    )


def _check_readable(facts: Facts) -> None:
    """Refuse to take for absent what a worker needs and cannot read; raises Refused(record_unreadable)."""
    layout = facts.layout
    needed = {str(path) for path in (layout.home, layout.state, layout.worker, layout.settings)}
    for path, reason in facts.unreadable:
        if path in needed:
            raise Refused("record_unreadable", path=path, reason=reason)


def plan_stop(facts: Facts, *, force: bool) -> bool:
    """Return whether there is a worker to stop, a draining one included.

    Raises Refused(config_points_to_proxy, config_unparseable, record_unreadable) without `force` where config.toml
    points at the running worker, or may do so: Codex would be cut off.
    """
    check_in_sight(facts.running_worker)
    runs = facts.running_worker is not None
    if runs and uses_proxy(facts) and not force:
        raise Refused("config_points_to_proxy")
    if runs and facts.config.is_unparseable and not force:  # it may point at the proxy
        details = {"path": str(facts.layout.config), "reason": facts.config.error}
        raise Refused("record_unreadable" if facts.config.is_unreadable else "config_unparseable", **details)
    return runs or bool(facts.draining)
