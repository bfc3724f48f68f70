"""Show the installation, the running proxy, the route of requests, and the next step; changes nothing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from cfp.advice import commands_in
from cfp.commands.command import Command
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts, PortState
from cfp.core.fast.in_effect import fast_in_effect
from cfp.core.fast.verdicts import tier_verdicts
from cfp.core.health import WorkerHealth
from cfp.core.plan.hook import hook_command
from cfp.core.provider import active_provider, provider_url
from cfp.core.route_report import profile_warnings, route_and_auth, warning_fields
from cfp.core.state import settings_pending, state_of, uses_proxy
from cfp.core.verdict.hook_run import feature_obstacle, hook_runs
from cfp.core.verdict.route import route_in_force
from cfp.host.home import Host
from cfp.result import Result

EXAMPLES = (
    ("", "everything, as JSON"),
    ("--format json", "the same for a program, also on a terminal"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--provider", metavar="NAME", help="the provider whose URL to report (default: the recorded)")


def run(args: Args, host: Host) -> Result:
    """Look once, ask Codex where its word counts, and report."""
    return status_result(host.survey_to_diagnose(), args.provider)


def status_result(facts: Facts, provider: str | None = None) -> Result:
    """Turn facts into the result of `status`."""
    diagnosis = diagnose(facts)
    worker = facts.answering_worker
    health = None if worker is None else worker.health
    name = provider or _provider(facts)
    in_force = route_in_force(facts)
    route: dict[str, Any] = {"provider": name, "login_mode": facts.login}
    if facts.settings is not None and name == facts.settings.provider:
        route = route_and_auth(facts, facts.settings, pending=settings_pending(facts))
        fast = fast_in_effect(facts, facts.settings) if uses_proxy(facts) else None
        route["fast"] = None if fast is None else fast.to_json()
        route["tier_verdicts"] = [one.to_json() for one in tier_verdicts(facts, facts.settings)]
    return Result(
        status="unknown" if facts.is_walled else "running" if health else "stopped",
        fields={
            "running": None if facts.is_walled else health is not None,
            "pid": None if health is None else health.pid,
            "healthy": None if facts.is_walled else health is not None and health.ok,
            "state": None if facts.is_walled else state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "next_user_action": diagnosis.next_user_action,
            "next_commands": commands_in(diagnosis.next_user_action),
            "interrupted": list(facts.interrupted),
            **route,
            "chatgpt_auth": facts.login.has_chatgpt,
            "api_key_auth": facts.login.has_api_key,
            "codex_home": str(facts.layout.home),
            "config_base_url": provider_url(facts.config.root, name) if name else None,
            "config_matches": uses_proxy(facts),
            "route_in_force": None if in_force is None else in_force.to_json(),
            **_runtime(facts, health),
            "pending_restart": None if facts.is_walled else settings_pending(facts),
            **warning_fields(profile_warnings(facts, facts.settings) if facts.settings and uses_proxy(facts) else ()),
            "draining": _draining(facts),
            "startup_hook": hook_runs(facts),
            "startup_hook_trust": _hook_trust(facts),
            "port_available": None
            if facts.is_walled
            else facts.candidate is not None and facts.candidate.state is PortState.FREE,
            "health": None if health is None else dict(health.raw),
            "log": str(facts.layout.request_log),
            "stdout": str(facts.layout.worker_stdout),
            "stderr": str(facts.layout.worker_stderr),
        },
    )


def _draining(facts: Facts) -> list[dict[str, Any]]:
    """The workers that have handed over and finish their streams."""
    names = ("pid", "requests_in_flight", "upstream_base", "service_tier_policy")
    answers = [worker.health.raw for worker in facts.draining if worker.health is not None]
    return [{name: answer.get(name) for name in names} for answer in answers]


def _provider(facts: Facts) -> str | None:
    if facts.settings is not None:
        return facts.settings.provider
    return active_provider(facts.codex_config)


def _runtime(facts: Facts, health: WorkerHealth | None) -> dict[str, Any]:
    matches = health.runtime_id == facts.runtime.runtime_id if health is not None else None
    return {
        "runtime_id": facts.runtime.runtime_id,
        "runtime": {
            "manager": facts.runtime.to_json(),
            "proxy": None if health is None else health.runtime,
            "hook_command": facts.hook_entries[0].position.command if facts.hook_entries else None,
        },
        "runtime_matches": matches,
        "hook_command_matches": [entry.position.command for entry in facts.hook_entries] == [hook_command(facts)],
        "needs_restart": None if facts.is_walled else health is not None and (not matches or settings_pending(facts)),
    }


def _hook_trust(facts: Facts) -> dict[str, Any]:
    return {
        "installed": bool(facts.hook_entries),
        "feature_enabled": feature_obstacle(facts) is None,
        "trusted": any(entry.trust_status == "trusted" for entry in facts.hook_entries),
        "ready": hook_runs(facts),
        "hooks": [entry.to_json() for entry in facts.hook_entries],
    }


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    needs_sockets=False,
)
