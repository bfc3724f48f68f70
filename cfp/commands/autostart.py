"""The SessionStart hook: start the proxy that config.toml points at, or stop the session. It always exits 0.

Where the next request would fail as the last one did, it warns the user.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cfp.commands.command import Command, always
from cfp.commands.start import begin_worker, worker_fields
from cfp.core.diagnosis import session_warning
from cfp.core.facts import Facts
from cfp.core.launch import Launch
from cfp.core.plan.session import plan_session
from cfp.core.plan.start import StartPlan, plan_autostart
from cfp.core.plan.worker import WorkerAction
from cfp.errors import Busy, CfpError, Refused
from cfp.hook import stop_answer, warning_answer
from cfp.host.home import Host
from cfp.host.reserve import with_room
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked
from cfp.messages import message
from cfp.result import Raw, Result, changed_after
from journal.private import append_to

LOCK_TIMEOUT_S = 2.0
START_TIMEOUT_S = 6.0
_TIME_S = 7.0  # Codex ends its hook after 10 s; what failed must be undone, and the session stopped, by then
_LEAST_S, _PAUSE_S = 0.2, 0.1
_SKIPS = frozenset({"settings_missing", "config_not_proxy"})
_LOG_LIMIT_BYTES = 256 * 1024


EXAMPLES = (
    (
        "--quiet",
        "the hook's command: prints nothing, or the JSON that stops the session or warns; always exits with 0",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    quiet: bool
    verbose_proxy: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--quiet", action="store_true", help="print nothing, or the JSON that stops a session or warns its user"
    )
    parser.add_argument("--verbose-proxy", action="store_true", help="the proxy logs more to stderr")


def run(args: Args, host: Host, seconds: Callable[[], float] = time.monotonic) -> Result | Raw | None:
    """Start a missing worker; with --quiet print nothing but the answer that stops a session or warns its user.

    Codex passes other output of a hook on to the model.
    """
    deadline = seconds() + _TIME_S
    while True:
        fields, error = _try(args, host, deadline - seconds())
        runs = fields["status"] in {"started", "already_running"} and "interrupted" not in fields.values()
        stop = None if runs else plan_session(host.survey(despite_use=True), error)
        if stop is None or not stop.may_pass or seconds() + _PAUSE_S >= deadline:
            break
        time.sleep(_PAUSE_S)
    warning = fields.pop("diagnosis", None)
    if error is not None and stop is None and fields["status"] != "skipped":
        fields = {"status": "already_running", "pid": None, "healthy": True}  # of another session's hook, by now
    if stop is not None:
        fields |= {"session": "stopped", "stop_reason": stop.message.sentence}
    if fields["status"] not in {"already_running", "skipped"} or stop is not None:
        _log(host, fields)
    if args.quiet and stop is not None:
        return Raw(text=stop_answer(stop.message, host.layout, host.environ))
    if args.quiet:
        return None if warning is None else Raw(text=warning_answer(warning.message, host.layout, host.environ))
    if warning is not None:
        fields["diagnosis"] = warning.to_json()
    return Result(status=fields.pop("status"), fields=fields)


def _try(args: Args, host: Host, seconds: float) -> tuple[dict[str, Any], CfpError | None]:
    """Try to start a missing worker within that time; return the result's fields, and its error if it has one."""
    try:
        return with_room(host.reserve, lambda: _start(args, host, max(_LEAST_S, seconds))), None
    except Busy as error:
        return {"status": "busy"}, error
    except Refused as error:
        skips = error.code in _SKIPS
        return {"status": "skipped", "reason": error.code} if skips else _failed(error), error
    except CfpError as error:
        return _failed(error), error


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


def _start(args: Args, host: Host, seconds: float) -> dict[str, Any]:
    facts = host.survey(despite_use=True)
    plan = plan_autostart(facts)
    if plan.worker is WorkerAction.KEEP:
        return {**_answer(plan, facts, None), "diagnosis": session_warning(facts)}
    with locked(host.journal, "autostart", min(LOCK_TIMEOUT_S, seconds), host.waiting, recover=False) as (lease, _):
        facts = host.survey(locked=True, despite_use=True)
        plan = plan_autostart(facts)
        if facts.interrupted:
            return _beside_an_interrupted_command(args, host, facts, plan, seconds)
        switch = begin_worker(
            host,
            lease,
            facts,
            plan,
            command="autostart",
            verbose=args.verbose_proxy,
            patience=min(START_TIMEOUT_S, seconds),
        )
    return _answer(plan, facts, switch)


def _beside_an_interrupted_command(
    args: Args, host: Host, facts: Facts, plan: StartPlan, seconds: float
) -> dict[str, Any]:
    """Start a worker for this session, which has read its config already, and leave the rest to `recover`.

    It is no transaction: recovery finds the worker by its lifetime lock and nonce. A running worker is left alone.
    """
    if facts.running_worker is not None:
        return {"status": "already_running", "reason": "interrupted"}
    launch = Launch(
        settings=plan.settings,
        nonce=secrets.token_hex(16),
        record_start=lambda _pid, _started: None,
        patience=min(START_TIMEOUT_S, seconds),
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
        with os.fdopen(append_to(log), "ab") as file:
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
