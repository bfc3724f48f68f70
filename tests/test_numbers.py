"""The table of numbers tells what the tests told it."""

from __future__ import annotations

import pytest

from tests.numbers import Numbers, Table


def test_rows_add_up_over_tests_and_close_with_violations() -> None:
    """Counts of one row are added, times are spread out in ms, sections are sorted, and `violations` comes last."""
    one, other = Numbers([]), Numbers([])
    one.count("model", "violations", 0)
    one.count("model", "worlds", 1000)
    one.time("again", "undo", 0.001, 0.002)
    other.count("model", "worlds", 234)
    other.time("again", "undo", *[0.003] * 18)
    table = Table()
    for properties in (one.properties, other.properties, [("others", "of a plug-in")]):
        table.add(properties)
    assert [
        "again  undo                  20  p50 3.00 ms, p95 3.00 ms, max 3.00 ms",
        "model  worlds             1,234",
        "       violations             0",
    ] == table.lines()


def test_the_time_of_each_folder_is_told() -> None:
    """Setting up, running and taking down of all tests of a folder are added up; less than a second is not told."""
    table = Table()
    for name, seconds in (("crash/test_kills.py::test_one[a/b]", 2.4), ("crash/test_kills.py::test_one[c]", 1.2)):
        table.spend(f"tests/{name}", seconds)
    table.spend("tests/core/test_plan.py::test_it", 0.9)
    assert ["~ seconds of tests  tests/crash             4"] == table.lines()


def test_what_was_left_out_is_counted_by_reason() -> None:
    """A test counts once, when it was called; one that was not called counts by its reason, from any process."""
    table = Table()
    for when, outcome, longrepr in (
        *(("setup", "passed", None), ("call", "passed", None), ("teardown", "passed", None)),
        *(("setup", "passed", None), ("call", "failed", "a traceback")),
        ("setup", "skipped", ("a.py", 1, "Skipped: POSIX by nature: uids")),
        ("call", "skipped", ["a.py", 2, "Skipped: POSIX by nature: uids"]),
    ):
        table.ran(pytest.TestReport("a.py::test", ("a.py", 1, "test"), {}, outcome, longrepr, when))
    assert [
        "~ run and left out  not run: POSIX by nature: uids             2",
        "                    run                                        2",
    ] == table.lines()


def test_what_another_process_sends_is_understood() -> None:
    """A report that came over a wire has lists where there were tuples."""
    table = Table()
    table.add([("count", ["model", "worlds", 2]), ("time", ["again", "undo", 0.5])])
    assert {("model", "worlds"): 2} == table.counts
    assert {("again", "undo"): [0.5]} == table.times


def test_nothing_told_is_nothing_shown() -> None:
    """Without rows there is no table, and a row without times is none."""
    table = Table()
    table.add([("time", ("again", "undo"))])
    assert [] == table.lines()
