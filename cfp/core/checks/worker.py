"""Checks of the worker: whether it answers, with which settings, with which code."""

from __future__ import annotations

from cfp.core.checks.check import CheckResult, DoctorFacts, advice, failure, success
from cfp.core.diagnosis import message_code_for, traffic
from cfp.core.facts import Facts, PortState
from cfp.core.plan.worker import address_details, hangs, port_details, port_taken
from cfp.core.state import WorkerState, settings_pending, uses_proxy, worker_state
from cfp.core.traffic.trouble import when
from cfp.core.wire.steps import key_details
from cfp.messages import ErrorCode, Message, message
from cfp.messages.diagnoses import DIAGNOSES
from cfp.messages.doctor import PASSES


def inside_sandbox(_: Facts, __: DoctorFacts) -> CheckResult:
    """Return the result of each check that rests on a socket where a sandbox allows none: it cannot be told."""
    return failure("inside_sandbox", message("inside_sandbox"))


def proxy_port(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that nobody else has the saved port: neither another user nor another home."""
    worker, details = facts.worker, port_details(facts)
    candidate = facts.candidate
    if worker is None and candidate is not None and candidate.state in {PortState.FOREIGN, PortState.OTHER_HOME}:
        refusal = port_taken(candidate)
        return failure(refusal.code, message(refusal.code, refusal.details), **address_details(candidate))
    if worker is None:
        free = {"host": candidate.host, "port": candidate.port} if candidate is not None else {}
        return success(PASSES["port_is_free"].filled(free) if free else PASSES["proxy_not_needed"], **free)
    if worker.other_user:
        return failure("port_of_another_user", DIAGNOSES["port_of_another_user"].filled(details), owner=worker.owner)
    if facts.sharing_home:
        text = DIAGNOSES[message_code_for(facts, "port_shared")].filled(details)
        return failure("port_shared", text, home=facts.sharing_home)
    return success(PASSES["port_is_own"].filled(details), port=worker.port)


def proxy_health(facts: Facts, surroundings: DoctorFacts) -> CheckResult:
    """Check that a worker of this home answers, where Codex is sent to one."""
    state, worker = worker_state(facts), facts.worker
    if state in {WorkerState.HEALTHY, WorkerState.STALE} and worker is not None:
        answers = PASSES["proxy_answers" if surroundings.shows_owners else "proxy_answers_unowned"]
        return success(answers.filled({"host": worker.host, "port": worker.port}), pid=worker.pid)
    if hangs(facts, worker) and facts.worker_by_process is not None:
        return failure("worker_hangs", message("worker_hangs", {"pid": facts.worker_by_process.pid}))
    if state is WorkerState.FOREIGN and worker is not None:
        address = address_details(worker)
        code: ErrorCode = "port_not_available" if worker.barred else "port_in_use"
        return failure(code, _at_taken_port(facts, message(code, address)), **address)
    if facts.settings is None or not uses_proxy(facts):
        return success(PASSES["proxy_not_needed"])
    return failure("proxy_stopped", DIAGNOSES["proxy_stopped"])


def _at_taken_port(facts: Facts, text: Message) -> Message:
    """Return the text with the remedy of `proxy_port`, where that check names the owner too."""
    worker, sharing = facts.worker, message_code_for(facts, "port_shared")
    other_user = worker is not None and worker.other_user
    if not other_user and not facts.sharing_home:
        return text
    remedy = DIAGNOSES["port_of_another_user" if other_user else sharing]
    return Message(text.sentence, remedy.filled(port_details(facts)).action)


def last_requests(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that the newest request to a model went through; an old failure whose cause may have passed is advice."""
    if facts.own_worker is None or settings_pending(facts):
        return success(PASSES["proxy_not_running" if facts.own_worker is None else "no_request_yet"])
    seen = traffic(facts)
    if seen.trouble is not None:
        of_key = {} if facts.settings is None else key_details(facts, facts.settings)
        text = DIAGNOSES[seen.trouble.code].filled({**of_key, **seen.trouble.details(facts.now)})
        result = failure if seen.trouble.is_risk(facts.now) else advice
        return result(seen.trouble.code, text, **seen.to_json())
    if seen.last_success is None:
        return success(PASSES["no_request_yet"])
    return success(PASSES["request_went_through"].filled({"when": when(seen.last_success, facts.now)}))


def proxy_pending_restart(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that the worker serves the saved settings."""
    if settings_pending(facts):
        return failure("settings_pending_restart", DIAGNOSES[message_code_for(facts, "settings_pending_restart")])
    return success(PASSES["proxy_not_running" if facts.own_worker is None else "settings_in_use"])


def proxy_runtime(facts: Facts, _: DoctorFacts) -> CheckResult:
    """Check that the worker runs the installed code."""
    worker = facts.own_worker
    if worker is None:
        return success(PASSES["proxy_not_running"])
    code = worker.health.runtime_id or None if worker.health is not None else None
    if code != facts.runtime.runtime_id:
        return failure("runtime_stale", DIAGNOSES[message_code_for(facts, "runtime_stale")], running=code)
    return success(PASSES["code_in_use"], runtime_id=code)
