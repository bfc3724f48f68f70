"""The table of numbers at the end of a run: what the tests counted and timed, whichever process ran them.

A test asks for the fixture `numbers` and says what it did:

    numbers.count("crash model", "states checked", 40_000)     whole numbers; those of one row are added up
    numbers.time("recovery", "after SIGKILL", 0.0049)          seconds; a row shows median, p95, maximum, in ms

What is said travels with the test's own report, so it needs no shared file and survives worker processes. A row
named `violations` closes its section. Count violations before asserting that there are none.

The last sections are what was run and what was left out, by reason, and how long the tests of each folder took, added
up over all processes that ran them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from tests.crash.sizes import ON_WINDOWS, SMALL

VIOLATIONS = "violations"
RUN = "~ run and left out"
SPENT = "~ seconds of tests"  # both behind all others
Row = tuple[str, str]


@dataclass(frozen=True)
class Numbers:
    """The numbers that one test reports."""

    properties: list[tuple[str, object]]

    def count(self, section: str, name: str, many: int = 1) -> None:
        self.properties.append(("count", (section, name, many)))

    def time(self, section: str, name: str, *seconds: float) -> None:
        self.properties.append(("time", (section, name, *seconds)))


@dataclass(eq=False)  # pytest keeps its plugins in a set
class Table:
    """The sums of a run."""

    counts: dict[Row, int] = field(default_factory=dict)
    times: dict[Row, list[float]] = field(default_factory=dict)
    spent: dict[Row, float] = field(default_factory=dict)

    def spend(self, test: str, seconds: float) -> None:
        """Add to the time of a test's folder."""
        row = SPENT, test.partition("::")[0].rpartition("/")[0]
        self.spent[row] = self.spent.get(row, 0) + seconds

    def ran(self, report: pytest.TestReport) -> None:
        """Count a test that was run, or the reason for which it was not."""
        match report:
            case pytest.TestReport(skipped=True, longrepr=(_, _, reason)):
                row = RUN, f"not run: {str(reason).removeprefix('Skipped: ')}"
            case pytest.TestReport(when="call", skipped=False):
                row = RUN, "run"
            case _:
                return
        self.counts[row] = self.counts.get(row, 0) + 1

    def add(self, properties: Iterable[tuple[str, object]]) -> None:
        """Take in what a report carries; properties that are none of ours are skipped."""
        for kind, value in properties:
            match kind, value:
                case "count", (str(section), str(name), int(many)):
                    self.counts[section, name] = self.counts.get((section, name), 0) + many
                case "time", (str(section), str(name), *seconds):
                    self.times.setdefault((section, name), []).extend(seconds)

    def lines(self) -> list[str]:
        rows = {row: f"{many:>12,}" for row, many in self.counts.items()}
        rows |= {row: _spread(seconds) for row, seconds in self.times.items() if seconds}
        rows |= {row: f"{seconds:>12,.0f}" for row, seconds in self.spent.items() if seconds >= 1}
        width = max((len(name) for _, name in rows), default=0)
        margin = max((len(section) for section, _ in rows), default=0)
        lines, shown = [], ""
        for section, name in sorted(rows, key=lambda row: (row[0], row[1] == VIOLATIONS, row[1])):
            lines.append(f"{section if section != shown else '':<{margin}}  {name:<{width}}  {rows[section, name]}")
            shown = section
        return lines


def _spread(seconds: list[float]) -> str:
    ordered = sorted(1000 * second for second in seconds)
    middle, late = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
    return f"{len(ordered):>12,}  p50 {middle:.2f} ms, p95 {late:.2f} ms, max {ordered[-1]:.2f} ms"


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> Numbers:
    """Rows for the table at the end of the run."""
    return Numbers(request.node.user_properties)


_TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()
    config.pluginmanager.register(_Reports(config.stash[_TABLE]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if SMALL:
        table.add(("count", ("smaller on Windows", f"CFP_TEST_{name}", many)) for name, many in ON_WINDOWS.items())
    lines = table.lines()
    if lines:
        terminalreporter.section("numbers")
        terminalreporter.write_line("\n".join(lines))


@dataclass(frozen=True)
class _Reports:
    """Listens to the reports of all tests, those that other processes ran too."""

    table: Table

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.table.spend(report.nodeid, report.duration)
        self.table.ran(report)
        if report.when == "teardown":  # the last of a test's reports has all that it said
            self.table.add(report.user_properties)
