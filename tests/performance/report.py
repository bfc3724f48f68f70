"""The table, the ratios, and the bars that the worker has to clear."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.performance.contenders import NGINX, WORKER
from tests.performance.scenarios import Numbers

Rounds = dict[str, dict[str, list[Numbers]]]  # scenario -> contender -> numbers of each turn, in order

UNITS = {
    "first_p50": "first byte p50, us",
    "first_p99": "first byte p99, us",
    "event_p50": "event delay p50, us",
    "event_p99": "event delay p99, us",
    "cpu_us_per_request": "CPU a request, us",
    "cpu_us_per_event": "CPU an event, us",
    "cpu_percent": "CPU, % of a core",
    "requests_per_second": "requests/s",
    "mb_per_second": "MB/s",
    "seconds": "wall, s",
    "errors": "errors",
    "loaded_mb": "memory (Pss), MB",
    "idle_mb": "idle memory (Pss), MB",
    "idle_own_mb": "idle memory (its own), MB",
    "start_ms": "first healthy answer, ms",
    "start_per_interpreter": "times a bare interpreter",
    "growth_mb": "growth, MB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The worker's number, divided by nginx's where `ratio`, must not be above (or, `at_least`, below) the limit."""

    scenario: str
    number: str
    limit: float
    ratio: bool = True
    at_least: bool = False

    def measured(self, rounds: Rounds) -> float | None:
        ours, theirs = (median(rounds, self.scenario, who, self.number) for who in (WORKER, NGINX))
        if not self.ratio or ours is None:
            return ours
        return ours / theirs if theirs else None

    def by_turn(self, rounds: Rounds) -> list[float]:
        """The ratio within each turn, where the machine's load was the same for both."""
        row = rounds.get(self.scenario, {})
        ours, theirs = ([numbers.get(self.number) for numbers in row.get(who, [])] for who in (WORKER, NGINX))
        if not self.ratio:
            return [value for value in ours if value is not None]
        return [one / other for one, other in zip(ours, theirs, strict=False) if one is not None and other]

    def holds(self, measured: float) -> bool:
        return measured >= self.limit if self.at_least else measured <= self.limit


def bars(stream_seconds: float) -> list[Bar]:
    """The promised limits; `stream_seconds`: the shortest possible duration of the 500 streams."""
    distant = [
        Bar(scenario=f"HTTPS, {trip} ms round trip", number="first_p50", limit=trip * 1100 + 1000, ratio=False)
        for trip in (0, 20, 100)
    ]
    return [
        Bar(scenario="1 client, 40 KB", number="first_p50", limit=1.8),
        Bar(scenario="1 client, new connections", number="first_p50", limit=2),
        Bar(scenario="64 clients, 40 KB", number="first_p50", limit=2.3),
        Bar(scenario="64 clients, 40 KB", number="cpu_us_per_request", limit=3),
        Bar(scenario="short answers, 16 clients, 2 KB", number="cpu_us_per_request", limit=3),
        Bar(scenario="16 streams x 20/s", number="event_p50", limit=1.5),
        Bar(scenario="300 streams x 10/s", number="event_p50", limit=1.5),
        Bar(scenario="300 streams x 10/s", number="event_p99", limit=2),
        Bar(scenario="300 streams x 20/s, their first second", number="event_p99", limit=3),
        Bar(scenario="500 streams x 20/s", number="seconds", limit=stream_seconds * 1.03, ratio=False),
        Bar(scenario="500 streams x 20/s", number="errors", limit=0, ratio=False),
        Bar(scenario="bulk stream", number="mb_per_second", limit=0.5, at_least=True),
        Bar(scenario="idle", number="idle_own_mb", limit=20, ratio=False),
        Bar(scenario="start", number="start_per_interpreter", limit=12, ratio=False),
        Bar(scenario="many requests", number="growth_mb", limit=1, ratio=False),
        *distant,
    ]


def median(rounds: Rounds, scenario: str, who: str, number: str) -> float | None:
    """Over all turns; of errors the sum. None where it was not measured."""
    values = [numbers[number] for numbers in rounds.get(scenario, {}).get(who, []) if number in numbers]
    if not values:
        return None
    return sum(values) if number == "errors" else statistics.median(values)


def table_lines(rounds: Rounds, wanted: dict[str, tuple[str, ...]], names: list[str]) -> Iterator[str]:
    """The table in Markdown: one row a number, one column a contender, and the worker's part of nginx's."""
    yield f"| work | number | {' | '.join(names)} | {WORKER} / {NGINX} |"
    yield f"|---|---|{'---:|' * (len(names) + 1)}"
    for scenario, numbers in wanted.items():
        if scenario not in rounds:
            continue
        for number in numbers:
            medians = {name: median(rounds, scenario, name, number) for name in names}
            ours, theirs = medians.get(WORKER), medians.get(NGINX)
            ratio = f"{ours / theirs:.2f}" if ours and theirs else ""
            yield f"| {scenario} | {UNITS[number]} | {' | '.join(map(_shown, medians.values()))} | {ratio} |"


def failures(rounds: Rounds) -> str:
    """A sentence on the failed requests, by contender and scenario."""
    counts = {
        f"{who} at {scenario}": int(many)
        for scenario, row in rounds.items()
        for who in row
        if (many := median(rounds, scenario, who, "errors"))
    }
    listing = ", ".join(f"{many} of {where}" for where, many in counts.items())
    return f"Requests that failed: {listing or 'none, of no contender'}."


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def verdicts(rounds: Rounds, stream_seconds: float) -> list[tuple[Bar, float | None]]:
    return [(bar, bar.measured(rounds)) for bar in bars(stream_seconds)]


def verdict_lines(rounds: Rounds, stream_seconds: float) -> Iterator[str]:
    """One row a bar, with the range over the turns; what was not measured says so."""
    yield "| bar | limit | measured | by turn | |"
    yield "|---|---:|---:|---:|---|"
    for bar, measured in verdicts(rounds, stream_seconds):
        what = f"{bar.scenario}: {UNITS[bar.number]}"
        if bar.ratio:
            what += f", {WORKER} / {NGINX}"
        sign = ">=" if bar.at_least else "<="
        word = "not measured" if measured is None else "pass" if bar.holds(measured) else "**miss**"
        spread = bar.by_turn(rounds)
        between = f"{_shown_ratio(min(spread))} to {_shown_ratio(max(spread))}" if len(spread) > 1 else ""
        yield f"| {what} | {sign} {_shown(bar.limit)} | {_shown_ratio(measured)} | {between} | {word} |"


def _shown_ratio(value: float | None) -> str:
    return "" if value is None else _shown(value) if value >= 100 else f"{value:.2f}"


def machine(versions: list[str]) -> str:
    """The hardware, kernel and versions of the measurement."""
    text = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    cores = text.count("processor\t:")
    kernel = platform.release().partition("-")[0]
    return f"{cores} cores ({model}), Linux {kernel}, CPython {platform.python_version()}, {', '.join(versions)}"
