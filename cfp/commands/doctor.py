"""Sixteen checks of the installation and its surroundings, each with its evidence and what mends it."""

from __future__ import annotations

import argparse
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from cfp.commands.install import HOOKS_LIST_SINCE
from cfp.core.checks import PROXY_VARIABLES, Machine, run_checks
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.lifecycle import Pointing, pointing, state_of
from cfp.errors import CfpError
from cfp.host.machine import Host
from cfp.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--provider", metavar="NAME", help="the provider to check (default: the active one)")


def run(args: Args, host: Host) -> Result:
    """Ask all checks; `ok` is false where one that matters fails."""
    facts = host.survey(ask_codex=True)
    machine = Machine(
        python=platform.python_version(),
        proxies=_swallowing_proxies(host.environ),
        profiles=_profiles(host),
        read_back=_read_back(host, facts),
    )
    checks = run_checks(facts, machine, args.provider)
    ok = all(check.ok for check in checks)
    worker = facts.worker
    diagnosis = diagnose(facts)
    return Result(
        status="ok" if ok else "attention",
        exit_code=0 if ok else 2,
        fields={
            "ok": ok,
            "checks": [check.to_json() for check in checks],
            "installed": facts.manifest is not None and pointing(facts) is Pointing.PROXIED,
            "running": bool(worker and worker.health),
            "pid": (worker.health or {}).get("pid") if worker else None,
            "provider": facts.settings.provider if facts.settings else None,
            "health": dict(worker.health) if worker and worker.health else None,
            "state": state_of(facts),
            "diagnosis": diagnosis.to_json(),
            "next_user_action": next((check.fix for check in checks if not check.ok), diagnosis.next_user_action),
        },
    )


def _swallowing_proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Proxy variables that Codex would use for the loopback address too (Codex 0.169)."""
    exempt = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").replace(" ", "").split(",")
    if {"127.0.0.1", "*"} & set(exempt):
        return ()
    return tuple(name for name in PROXY_VARIABLES if environ.get(name))


def _profiles(host: Host) -> tuple[str, ...]:
    found = []
    for path in sorted(host.layout.home.glob("*.config.toml")):
        try:
            doc = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            continue
        if {"model_provider", "model_providers", "openai_base_url"} & doc.keys():
            found.append(path.name)
    return tuple(found)


def _read_back(host: Host, facts: Facts) -> str:
    """Codex's own verdict on the hook of ours; "" where there is nothing to ask, or nobody."""
    if not facts.hook_entries or host.codex is None or (facts.codex_version or (0,)) < HOOKS_LIST_SINCE:
        return ""
    try:
        listing = host.codex.hooks(host.layout.home)
    except CfpError:
        return ""
    commands = {entry.position.command for entry in facts.hook_entries}
    verdicts = [entry.trust_status for entry in listing.hooks if entry.command in commands]
    return verdicts[0] if verdicts else "missing"
