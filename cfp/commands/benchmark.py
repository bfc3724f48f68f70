"""Measure whether the priority tier, or another one, makes this provider faster: real requests in pairs."""

from __future__ import annotations

import argparse
import json
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
from cfp.core.tiers.history import measurements, parse_history, serialise_history
from cfp.core.tiers.names import KNOWN, PRIORITY, STANDARD, canonical
from cfp.core.tiers.records import TierRecord, new_record
from cfp.core.tiers.verdict import TierJudgement, judge_tier
from cfp.errors import CfpError, Refused, Stuck
from cfp.host.disk import read_or_none
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.codex_client import CodexClient
from cfp.host.provider.request_extras import request_extras
from cfp.host.tier_records import replace_record
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
    Verdict.REFUSED: "benchmark_refused",
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
    interrupt, measured = _measure(args, host, subject, _probe(args, host, subject))
    text = BENCHMARK[_outcome(measured, finished=interrupt is None)].filled({"tier": subject.task.service_tier})
    fields = {
        "verdict": measured.verdict,
        "message": text.sentence,
        "next_user_action": text.action,
        "tokens": measured.fields["tokens"],
        "saved_to": None,
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
        "earlier_runs": _earlier_runs(host, subject),
    }
    record = _evidence(facts, subject, measured)
    fields["tier_verdict"] = _judge(facts, subject, record, fields).to_json()
    if interrupt is not None:
        return _result("incomplete", exit_code(interrupt), fields, recovered)
    if not measured.counted:
        failed = {"error": text.sentence, "code": "benchmark_nothing_measured", "changed": False}
        return _result("error", 2, {**failed, **fields}, recovered)
    saved, code = _save(host, facts, fields) if args.save else ({}, 0)
    if record is not None and saved.get("saved_to"):
        replace_record(host.layout.tier_records, record, facts.now.timestamp())
    return _result("completed", code, {**fields, **saved}, recovered)


def _outcome(measured: Report, *, finished: bool) -> BenchmarkCode:
    if not finished:
        return "benchmark_incomplete"
    return _VERDICTS[measured.verdict] if measured.counted else "benchmark_nothing_measured"


def _result(status: str, exit_code: int, fields: dict[str, Any], recovered: dict[str, Any]) -> Result:
    return Result(status=status, exit_code=exit_code, fields={**fields, **recovered})


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


def _measure(args: Args, host: Host, subject: _Subject, probe: Probe) -> tuple[KeyboardInterrupt | None, Report]:
    """Run all trials; return the interrupt that ended them, and the report so far."""
    samples: list[Sample] = []
    with progress_on(host.waiting, args.pairs, args.timeout) as progress:
        interrupt = run_trials(probe, schedule(args.pairs), args.timeout, progress, samples)
    return interrupt, report(samples, subject.task.service_tier)


def _evidence(facts: Facts, subject: _Subject, measured: Report) -> TierRecord | None:
    """Return what is known of the tier with this run's answers or its refusal; None where nothing is."""
    now = facts.now.timestamp()
    fresh = new_record(subject.fields["upstream_base"], subject.task.model, subject.task.service_tier, now)
    known = next((record for record in facts.tier_records if record.key == fresh.key), None)
    record = known or fresh
    for echoed in measured.echoes:
        record = record.with_answer(echoed, now)
    if measured.verdict is Verdict.REFUSED:
        record = record.with_refusal(now)
    return None if record is fresh or record.tier in STANDARD else record


def _judge(facts: Facts, subject: _Subject, record: TierRecord | None, fields: Mapping[str, Any]) -> TierJudgement:
    """Return the verdict on the provider, by this run, else by an earlier one that could decide."""
    tier = canonical(subject.task.service_tier)
    runs = (*facts.measurements, *measurements([fields], facts.now.timestamp()))
    key = (subject.fields["upstream_base"], subject.task.model, tier)
    newest = next((run for run in reversed(runs) if (run.upstream_base, run.model, run.tier) == key), None)
    return judge_tier(subject.task.model, tier, record, newest)


def _earlier_runs(host: Host, subject: _Subject) -> list[dict[str, Any]]:
    """Return the newest earlier runs of the same model and tier at the same upstream, the newest first."""
    runs = parse_history(host.disk.read(host.layout.benchmark_history))
    alike = [run for run in runs if all(run.get(name) == subject.fields[name] for name in _SUBJECT)]
    return [{name: run.get(name) for name in _EARLIER} for run in reversed(alike[-_SHOWN_RUNS:])]


_SUBJECT: Final = ("upstream_base", "model", "service_tier")
_EARLIER: Final = ("ts", "profile", "benchmark_mode", "pairs", "verdict", "observed_speedup_total")
_SHOWN_RUNS: Final = 5


def _save(host: Host, facts: Facts, fields: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Save the result; a failed save is a warning, since the result has cost quota."""
    rest = {name: value for name, value in fields.items() if name != "saved_to"}
    document = {"command": "benchmark", "status": "completed", "schema_version": SCHEMA_VERSION, **rest}
    after = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    layout, state = host.layout, state_of(facts)
    try:
        with locked(host.journal, "benchmark", LOCK_TIMEOUT_S, host.waiting) as (lease, _):
            switch = Switch(lease=lease, layout=layout, workers=host.workers, settings=facts.settings)
            newest, history = read_or_none(layout.benchmark), read_or_none(layout.benchmark_history)
            longer = serialise_history(parse_history(history), fields)
            changes = [FileChange(path=layout.benchmark_history, before=history, after=longer)]
            keeps = fields["profile"] == Profile.SMOKE and _is_full(newest)
            if not keeps:
                changes.append(FileChange(path=layout.benchmark, before=newest, after=after))
            argv, states = ("benchmark",), (state, state)
            transact(switch, SAVE, command="benchmark", argv=argv, states=states, changes=tuple(changes))
    except CfpError as error:
        sentence = message(error.code, error.details).sentence
        return {"warnings": [*fields["warnings"], sentence]}, error.exit_code if isinstance(error, Stuck) else 0
    if keeps:
        kept = BENCHMARK["benchmark_full_run_kept"].sentence
        return {"saved_to": str(layout.benchmark_history), "warnings": [*fields["warnings"], kept]}, 0
    return {"saved_to": str(layout.benchmark)}, 0


def _is_full(saved: bytes | None) -> bool:
    """Whether a saved result is that of a full run."""
    try:
        document = json.loads(saved or b"null")
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("profile") == Profile.FULL


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    run=run,
    writes=lambda args: args.save,
)
