"""The SessionStart hook: start the proxy that this session's config points at. It always exits 0."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cfp.commands.command import Command, always
from cfp.commands.start import begin_worker, worker_fields
from cfp.core.facts import Facts
from cfp.core.launch import Launch
from cfp.core.plan.start import StartPlan, plan_autostart
from cfp.core.plan.worker import WorkerAction
from cfp.errors import Busy, CfpError, Refused
from cfp.host.home import Host
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked
from cfp.messages import message
from cfp.result import Result, changed_after

LOCK_TIMEOUT_S = 2.0
START_TIMEOUT_S = 6.0  # Codex ends its hook after 10 s, and what failed must be undone by then
_SKIPS = frozenset({"settings_missing", "config_not_proxy"})
_LOG_LIMIT_BYTES = 256 * 1024


EXAMPLES = (("--quiet", "the hook's command: prints nothing and always exits with 0"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    quiet: bool
    verbose_proxy: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--quiet", action="store_true", help="print nothing; log only where something was done")
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


def run(args: Args, host: Host) -> Result | None:
    """Start a missing worker; with --quiet print nothing, since Codex passes a hook's output on to the model."""
    try:
        fields = _start(args, host)
    except Busy:
        fields = {"status": "busy"}
    except Refused as error:
        fields = {"status": "skipped", "reason": error.code} if error.code in _SKIPS else _failed(error)
    except CfpError as error:
        fields = _failed(error)
    if fields["status"] not in {"already_running", "skipped"}:
        _log(host, fields)
    if args.quiet:
        return None
    return Result(status=fields.pop("status"), fields=fields)


def _failed(error: CfpError) -> dict[str, Any]:
    text = message(error.code, error.details)
    return {
        "status": "error",
        "reason": error.code,
        "error": text.sentence,
        "code": error.code,
        "next_user_action": text.action,
        "changed": changed_after(error.exit_code),
    }


def _start(args: Args, host: Host) -> dict[str, Any]:
    facts = host.survey()
    plan = plan_autostart(facts)
    if plan.worker is WorkerAction.KEEP:
        return _answer(plan, facts, None)
    with locked(host.journal, "autostart", LOCK_TIMEOUT_S, recover=False) as (lease, _):
        facts = host.survey(locked=True)
        plan = plan_autostart(facts)
        if facts.interrupted:
            return _beside_an_interrupted_command(args, host, facts, plan)
        switch = begin_worker(
            host,
            lease,
            facts,
            plan,
            command="autostart",
            verbose=args.verbose_proxy,
            patience=START_TIMEOUT_S,
        )
    return _answer(plan, facts, switch)


def _beside_an_interrupted_command(args: Args, host: Host, facts: Facts, plan: StartPlan) -> dict[str, Any]:
    """Start a worker for this session, which has read its config already, and leave the rest to `recover`.

    It is no transaction: recovery finds the worker by its lifetime lock and nonce. A running worker is left alone.
    """
    if facts.running_worker is not None:
        return {"status": "already_running", "reason": "interrupted"}
    launch = Launch(
        settings=plan.settings,
        nonce=secrets.token_hex(16),
        record_start=lambda _pid, _started: None,
        patience=START_TIMEOUT_S,
        verbose=args.verbose_proxy,
    )
    health = host.workers.start(launch)
    return {"status": "started", "reason": "interrupted", "pid": health.pid, "healthy": True}


def _answer(plan: StartPlan, facts: Facts, switch: Switch | None) -> dict[str, Any]:
    if switch is None:
        return {"status": "already_running", "pid": facts.worker.pid if facts.worker else None, "healthy": True}
    fields = worker_fields(plan, switch, facts)
    return {**fields, "status": "started" if fields["status"] == "restarted" else fields["status"]}


def _log(host: Host, fields: dict[str, Any]) -> None:
    """Append one line to the autostart log; a failed write does not fail the session."""
    line = json.dumps({"ts": datetime.now(UTC).isoformat(), **fields}) + "\n"
    log = host.layout.autostart_log
    try:
        if log.is_file() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".jsonl.1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        with os.fdopen(os.open(log, flags, 0o600), "ab") as file:
            if os.name == "posix":
                os.fchmod(file.fileno(), 0o600)  # an earlier version left it readable for all
            file.write(line.encode())
    except OSError:
        return


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=always,
)
