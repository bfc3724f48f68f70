"""The rows of the ledger: bounded, whatever arrives, and no request is lost by that."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.telemetry.ledger.report import By, report
from cfp.proxy.telemetry.ledger.table import EARLIER, MAX_DAYS, MAX_ROWS, OTHER, SESSION_DAYS, Key, Table
from cfp.proxy.telemetry.log_lines import LogLine
from tests.proxy.telemetry.ledger.lines import LINES, entry_of, sums

FIRST = date(2026, 1, 1)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def line(number: int, **fields: str | None) -> LogLine:
    ts = f"{day(number)}T12:00:00.000+00:00"
    return LogLine(ts=ts, eligible=True, status=200, ending="completed", **fields)  # type: ignore[arg-type]  # texts alone


def requests(table: Table) -> int:
    return sum(totals.requests for _, _, totals in table.rows())


@given(st.lists(LINES, max_size=40), st.sampled_from(By))
def test_each_view_has_the_same_total(lines: list[LogLine], by: By) -> None:
    """By whatever name the rows are added up, they come to the sums of all lines."""
    table = Table()
    for one in lines:
        table.add(entry_of(one))
    view = report(table.rows(), by, None)
    names = sums([]).keys()
    assert sums(lines).items() <= view.total.items()
    assert {name: sum(row[name] for row in view.rows) for name in names} == {name: view.total[name] for name in names}


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), st.integers(0, 900)), max_size=300))
def test_rows_and_days_are_bounded(names: list[tuple[int, int, int]]) -> None:
    """Many days, models and sessions cost no more than the limits, and every request is in a row."""
    table = Table()
    for number, model, session in names:
        table.add(entry_of(line(number, model=f"m{model}", session=f"s{session}")))
        table.merge_old()
    assert len(table.days) <= MAX_DAYS + 1
    assert len(names) == requests(table)


def test_a_day_with_very_many_names() -> None:
    """A day has at most twice `MAX_ROWS` rows and one; names without room count as "other"."""
    table = Table()
    for number in range(20_000):
        names = {"model": f"m{number % 31}", "session": f"s{number}", "response_service_tier": f"t{number % 11}"}
        table.add(entry_of(line(0, **names)))
    assert len(table.days[day(0)]) <= 2 * MAX_ROWS + 1
    assert 20_000 == requests(table)
    assert {"model", "tier", "session"} == set(report(table.rows(), By.DAY, None).merged)


def test_old_sessions_are_merged() -> None:
    """Sessions of a day stay apart while it is one of the newest; a row without a session stays."""
    table = Table()
    for number in range(SESSION_DAYS + 1):
        for session in ("a", "b", None):
            table.add(entry_of(line(number, session=session)))
    table.merge_old()
    keys = [Key(None, None, None, session) for session in (OTHER, None)]
    assert [2, 1] == [table.days[day(0)][key].requests for key in keys]
    assert 3 == len(table.days[day(1)])


def test_the_oldest_days_are_merged() -> None:
    """Days beyond those that are kept count as "earlier", and a view since some day leaves them out."""
    table = Table()
    for number in range(MAX_DAYS + 5):
        table.add(entry_of(line(number, model="m", session="a")))
    table.merge_old()
    table.merge_old()
    assert [5] == [totals.requests for totals in table.days[EARLIER].values()]
    assert MAX_DAYS + 5 == requests(table)
    assert MAX_DAYS == report(table.rows(day(5)), By.DAY, None).total["requests"]
