"""Measure whether the priority tier, or another one, makes this provider faster: real requests in pairs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from cfp.bench.probes import CodexProbe, DirectProbe, Probe, Task
from cfp.bench.progress import progress_on
from cfp.bench.report import Report, report
from cfp.bench.runner import run_trials
from cfp.bench.sample import Sample
from cfp.bench.statistics import Verdict
from cfp.bench.workload import Mode, Profile, schedule
from cfp.codex import config_toml
from cfp.commands.command import Command
from cfp.commands.settle import settle
from cfp.commands.verification import candidate_key, candidate_model, codex_client
from cfp.core.facts import Facts
from cfp.core.plan.baseline import derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings
from cfp.core.plan.install import check_readable
from cfp.core.provider import choose_provider
from cfp.core.state import state_of
from cfp.core.tiers.names import KNOWN, PRIORITY
from cfp.errors import CfpError, Refused, Stuck
from cfp.host.disk import read_or_none
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.codex_client import CodexClient
from cfp.host.provider.request_extras import request_extras
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked, transact
from cfp.lifecycle.tables import SAVE
from cfp.messages import message
from cfp.messages.benchmark import BENCHMARK, BenchmarkCode
from cfp.result import SCHEMA_VERSION, Result
from cfp.signals import exit_code
from journal.values import FileChange

_MOST_PAIRS = 100
_LONGEST_S = 86400

_VERDICTS: Final[dict[Verdict, BenchmarkCode]] = {
    Verdict.FASTER: "benchmark_faster",
    Verdict.NO_EFFECT: "benchmark_no_effect",
    Verdict.SLOWER: "benchmark_slower",
    Verdict.NOT_ENOUGH_DATA: "benchmark_not_enough_data",
}
_PROFILES: Final = {
    Profile.FULL: BENCHMARK["profile_full"],
    Profile.SMOKE: BENCHMARK["profile_smoke"],
}


EXAMPLES = (
    ("", "three pairs of real Codex turns"),
    ("--pairs 8", "eight pairs, for a surer result"),
    ("--profile smoke --no-save", "one word a turn, to test the connection"),
    ("--mode direct --model gpt-5.5", "without the Codex CLI"),
    ("--service-tier ultrafast", "another tier than priority"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    pairs: int
    timeout: float
    model: str | None
    reasoning_effort: str | None
    profile: str
    mode: str
    service_tier: str
    api_key_env: str | None
    save: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--pairs", type=_count, default=3, metavar="N", help="the number of pairs to measure (default: 3)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="SECONDS",
        help="the time limit of each request (default: 600)",
    )
    parser.add_argument("--model", metavar="NAME", help="the model (default: Codex's)")
    parser.add_argument("--reasoning-effort", metavar="EFFORT", help="low, medium, high … (default: Codex's)")
    parser.add_argument(
        "--profile",
        choices=[str(profile) for profile in Profile],
        default="full",
        help="full: some hundred output tokens a request; smoke: one word, which tests the connection only",
    )
    parser.add_argument(
        "--mode",
        choices=[str(mode) for mode in Mode],
        default="codex-cli",
        help="codex-cli: real `codex exec` in a temporary home; direct: one plain request each",
    )
    parser.add_argument(
        "--service-tier",
        choices=list(KNOWN),
        default=PRIORITY,
        help="the tier that is compared with none (default: priority)",
    )
    parser.add_argument("--api-key-env", metavar="NAME", help="send the key in this environment variable")
    parser.add_argument(
        "--save", action=argparse.BooleanOptionalAction, default=True, help="save the result for the dashboard"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_PAIRS:
        raise argparse.ArgumentTypeError(f"it must be a number from 1 to {_MOST_PAIRS}")
    return int(text)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= _LONGEST_S:
            return float(text)
    raise argparse.ArgumentTypeError(f"it must be above 0 and at most {_LONGEST_S} seconds")


def run(args: Args, host: Host) -> Result:
    """Measure, judge, save; every request is real and may cost quota."""
    recovered = settle(host, "benchmark") if args.save else {}
    facts = host.survey(settled=args.save)
    subject = _subject(args, host, facts)
    interrupt, measured = _measure(args, subject, _probe(args, host, subject))
    text = BENCHMARK[_outcome(measured, finished=interrupt is None)].filled({"tier": subject.task.service_tier})
    fields = {
        "ts": facts.now.isoformat(),
        **subject.fields,
        "profile": args.profile,
        "profile_description": _PROFILES[Profile(args.profile)].sentence,
        "benchmark_mode": args.mode,
        "max_output_tokens": None,
        "pairs": args.pairs,
        **measured.fields,
        "privacy": BENCHMARK["privacy"].sentence,
        "warnings": [BENCHMARK[code].sentence for code in measured.warnings],
        "message": text.sentence,
        "next_user_action": text.action,
    }
    if interrupt is not None:
        return _result("incomplete", exit_code(interrupt), fields, recovered)
    if not measured.counted:
        failed = {"error": text.sentence, "code": "benchmark_nothing_measured", "changed": False}
        return _result("error", 2, {**failed, **fields}, recovered)
    saved, code = _save(host, facts, fields) if args.save else ({}, 0)
    return _result("completed", code, {**fields, **saved}, recovered)


def _outcome(measured: Report, *, finished: bool) -> BenchmarkCode:
    if not finished:
        return "benchmark_incomplete"
    return _VERDICTS[measured.verdict] if measured.counted else "benchmark_nothing_measured"


def _result(status: str, exit_code: int, fields: dict[str, Any], recovered: dict[str, Any]) -> Result:
    return Result(status=status, exit_code=exit_code, fields={"saved_to": None, **fields, **recovered})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """The measured provider and task; `fields` describes them in the result."""

    route: ProviderClient
    task: Task
    client: CodexClient
    fields: dict[str, Any]


def _subject(args: Args, host: Host, facts: Facts) -> _Subject:
    """Return the saved provider, else the configured one, with the key that Codex would send; raises CfpError."""
    check_readable(facts)
    doc = facts.codex_config
    recorded = facts.settings.provider if facts.settings else None
    target = choose_provider(facts.as_codex_reads(config_toml.parse(derive_baseline(facts).config.content)), recorded)
    settings = candidate_settings(facts, RouteRequest(upstream_api_key_env=args.api_key_env), target)
    model, effort = (
        args.model or candidate_model(host, doc, unknown="benchmark_model_unknown"),
        args.reasoning_effort or _text(doc, "model_reasoning_effort"),
    )
    key = candidate_key(host, facts, settings, unknown="benchmark_key_unknown")
    route = ProviderClient(
        upstream_base=settings.upstream_base,
        key=key,
        environ=host.environ,
        extras=request_extras(doc, settings.provider, read_or_none(host.layout.dotenv), host.environ),
        overrides=settings.overrides_auth,
    )
    return _Subject(
        route=route.checked(),
        task=Task(
            profile=Profile(args.profile),
            model=model,
            effort=effort,
            timeout=args.timeout,
            service_tier=args.service_tier,
        ),
        client=codex_client(host, facts, settings.provider),
        fields={
            "provider": settings.provider,
            "upstream_base": settings.upstream_base,
            "model": model,
            "reasoning_effort": effort,
            "service_tier": args.service_tier,
            "api_key_source": None if key is None else key.source,
        },
    )


def _text(doc: Mapping[str, Any], name: str) -> str | None:
    value = doc.get(name)
    return value if isinstance(value, str) and value else None


def _probe(args: Args, host: Host, subject: _Subject) -> Probe:
    if args.mode == Mode.DIRECT:
        return DirectProbe(route=subject.route, task=subject.task, client=subject.client)
    if host.codex is None:
        raise Refused("benchmark_codex_missing")
    return CodexProbe(route=subject.route, task=subject.task, program=host.codex.program.absolute())


def _measure(args: Args, subject: _Subject, probe: Probe) -> tuple[KeyboardInterrupt | None, Report]:
    """Run all trials; return the interrupt that ended them, and the report so far."""
    samples: list[Sample] = []
    with progress_on(sys.stderr, args.pairs) as progress:
        interrupt = run_trials(probe, schedule(args.pairs), args.timeout, progress, samples)
    return interrupt, report(samples, subject.task.service_tier)


def _save(host: Host, facts: Facts, fields: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Save the result; a failed save is a warning, since the result has cost quota."""
    document = {"command": "benchmark", "status": "completed", "schema_version": SCHEMA_VERSION, **fields}
    after = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    path, state = host.layout.benchmark, state_of(facts)
    try:
        with locked(host.journal, "benchmark", LOCK_TIMEOUT_S) as (lease, _):
            switch = Switch(lease=lease, layout=host.layout, workers=host.workers, settings=facts.settings)
            change = FileChange(path=path, before=read_or_none(path), after=after)
            transact(switch, SAVE, command="benchmark", argv=("benchmark",), states=(state, state), changes=(change,))
    except CfpError as error:
        sentence = message(error.code, error.details).sentence
        return {"warnings": [*fields["warnings"], sentence]}, error.exit_code if isinstance(error, Stuck) else 0
    return {"saved_to": str(path)}, 0


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=lambda args: args.save,
)
