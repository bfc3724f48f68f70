"""Checks of the worker: whether it answers, with which settings, with which code."""

from __future__ import annotations

from cfp.core.checks.check import DoctorFacts, Verdict, failure, success
from cfp.core.diagnosis import cuts
from cfp.core.facts import Facts
from cfp.core.plan.worker import hangs
from cfp.core.state import WorkerState, settings_pending, uses_proxy, worker_state
from cfp.messages import Message, message


def proxy_health(facts: Facts, _: DoctorFacts) -> Verdict:
    """Check that a worker of this home answers, where Codex is sent to one."""
    state, worker = worker_state(facts), facts.worker
    if state in {WorkerState.HEALTHY, WorkerState.STALE} and worker is not None:
        return success(f"It answers at {worker.host}:{worker.port}.", pid=worker.pid)
    if hangs(facts, worker) and facts.worker_by_process is not None:
        return failure("worker_hangs", message("worker_hangs", {"pid": facts.worker_by_process.pid}))
    if state is WorkerState.FOREIGN and worker is not None:
        address = {"host": worker.host, "port": worker.port, "owner": worker.owner}
        code = "port_not_available" if worker.barred else "port_in_use"
        return failure(code, message(code, address), **address)
    if facts.settings is None or not uses_proxy(facts):
        return success("None runs, and none is needed.")
    return failure("proxy_stopped", message("diagnosis.proxy_stopped"))


def proxy_pending_restart(facts: Facts, _: DoctorFacts) -> Verdict:
    """Check that the worker serves the saved settings."""
    if settings_pending(facts):
        return failure("settings_pending_restart", _diagnosis(facts, "settings_pending_restart"))
    running = facts.worker is not None and facts.worker.health is not None
    return success("The running proxy serves the saved settings." if running else "None runs.")


def proxy_runtime(facts: Facts, _: DoctorFacts) -> Verdict:
    """Check that the worker runs the installed code."""
    worker = facts.own_worker
    if worker is None:
        return success("None runs.")
    code = worker.health.runtime_id or None if worker.health is not None else None
    if code != facts.runtime.runtime_id:
        return failure("runtime_stale", _diagnosis(facts, "runtime_stale"), running=code)
    return success("The running proxy is the installed code.", runtime_id=code)


def _diagnosis(facts: Facts, code: str) -> Message:
    """Return the words of `status`, which warn where the remedy cuts running answers."""
    return message(f"diagnosis.{code}_cut" if cuts(facts, code) else f"diagnosis.{code}")
