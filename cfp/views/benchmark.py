"""The page of `benchmark`: the verdict with its confidence interval, the two tiers, and the chain of the tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table

from cfp.views.page import BAD, GOOD, WARN, headline, local_time, plain, rows, warnings

_STYLES: Final = {"faster": GOOD, "no_effect": WARN, "slower": BAD, "not_enough_data": WARN, "refused": BAD}


def benchmark(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the verdict, the route, and a table with one row for each tier."""
    incomplete = answer["status"] != "completed"
    words = f"{answer['status']}: " if incomplete else ""
    verdict = str(answer["verdict"])
    return [
        headline(WARN if incomplete else _STYLES[verdict], words + verdict.replace("_", " "), str(answer["message"])),
        rows(
            [
                ("provider", f"{answer['provider']} at {answer['upstream_base']}"),
                ("model", _model(answer)),
                ("tier", _tier(answer)),
                ("speed-up", _speedup(answer)),
                ("cost", _cost(answer.get("tokens"))),
                ("chain", _chain(answer["chain"]) if answer.get("samples") else None),
                (
                    "enough",
                    f"{answer['pairs_suggested']} pairs would probably be enough"
                    if answer.get("pairs_suggested")
                    else None,
                ),
                ("earlier", _earlier(answer)),
                ("saved to", answer.get("saved_to")),
            ]
        ),
        *([_sides(answer)] if answer.get("samples") else []),
        *warnings([*map(str, answer.get("warnings") or ()), *_failures(answer)]),
    ]


def _tier(answer: Mapping[str, Any]) -> str | None:
    """Return what is known about the provider; a smoke run adds nothing to it."""
    known = (answer.get("tier_verdict") or {}).get("message")
    if known is None or answer["profile"] != "smoke":
        return known
    return f"{known} A smoke run, one word a turn, does not change this: run `codex-fast-proxy benchmark`."


def _model(answer: Mapping[str, Any]) -> str:
    effort = f", {answer['reasoning_effort']} effort" if answer.get("reasoning_effort") else ""
    return f"{answer['model']}{effort}, profile {answer['profile']}, mode {answer['benchmark_mode']}"


def _speedup(answer: Mapping[str, Any]) -> str | None:
    factor, interval = answer.get("observed_speedup_total"), answer.get("confidence_interval")
    if factor is None:
        return None
    sure = f" (90 % confidence interval {interval['low']:.2f} to {interval['high']:.2f})" if interval else ""
    first = answer.get("observed_speedup_first_output")
    return f"{factor:.2f} in total{sure}" + (f", {first:.2f} to the first output" if first else "")


def _cost(tokens: Mapping[str, Any] | None) -> str | None:
    """Return the requests of the run and their tokens; None for an answer without them."""
    if tokens is None:
        return None
    counts = [(tokens.get(name), word) for name, word in _TOKENS]
    known = [f"{count:,} {word}" for count, word in counts if count is not None]
    requests = f"{tokens['requests']} request{'' if tokens['requests'] == 1 else 's'}"
    return f"{requests}, {', '.join(known)} tokens" if known else f"{requests}; the provider counts no tokens"


_TOKENS: Final = (
    ("input_tokens", "input"),
    ("cached_tokens", "cached"),
    ("output_tokens", "output"),
    ("reasoning_tokens", "reasoning"),
)


def _earlier(answer: Mapping[str, Any]) -> str | None:
    """Return the verdicts of earlier runs, one a line; None without any."""
    lines = []
    for run in answer.get("earlier_runs") or ():
        factor = f", {run['observed_speedup_total']:.2f}" if run.get("observed_speedup_total") else ""
        verdict = plain(run["verdict"]).replace("_", " ")
        lines.append(f"{local_time(run['ts'])}: {verdict}{factor} ({run['profile']}, {run['pairs']} pairs)")
    return "\n".join(lines) or None


def _chain(chain: Mapping[str, Any]) -> str:
    def names(values: Any) -> str:
        return ", ".join("none" if value is None else str(value) for value in values) or "nothing"

    accepted = {True: "accepted", False: "refused"}.get(chain["accepted"], "acceptance unknown")
    return f"sent {names(chain['sent'])}, {accepted}, echoed {names(chain['echoed'])}, measured {chain['measured']}"


def _sides(answer: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("tier")
    for title in ("succeeded", "first byte", "first output", "total", "characters"):
        table.add_column(title, justify="right")
    for side, tier in (("default", "no tier"), ("priority", str(answer["service_tier"]))):
        of = answer[side]
        times = (of["median_ttfb_ms"], of["median_first_output_ms"], of["median_total_ms"])
        characters = of["median_output_chars"]
        table.add_row(
            tier,
            f"{of['ok']}/{of['count']}",
            *(f"{time / 1000:.2f} s" if time is not None else "-" for time in times),
            f"{characters:.0f}" if characters is not None else "-",
        )
    return Padding(table, (1, 0, 0, 0))


def _failures(answer: Mapping[str, Any]) -> list[str]:
    return [
        f"pair {sample['pair']}, {sample['tier']}: {plain(sample['error_type'])}"
        + (f" (HTTP {sample['status']})" if sample.get("status") else "")
        for sample in answer.get("samples") or ()
        if sample.get("error_type")
    ]
