"""The `usage` command: the sums of ledger and log, as JSON, text or CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cfp.cli import Streams, main
from cfp.layout import Layout
from cfp.proxy.telemetry.ledger.ledger_file import update
from cfp.proxy.telemetry.log_lines import LogLine, encode
from cfp.proxy.telemetry.response_facts import TokenCounts

PRICES = '[models."gpt-5.5"]\ninput = 2\noutput = 10\n[models."gpt-5.5".priority]\ninput = 4\noutput = 20\n'
TODAY = datetime.now(UTC)


def line(days_ago: int, **fields: Any) -> LogLine:
    usual = {
        "model": "gpt-5.5",
        "session": "thread-1",
        "status": 200,
        "ending": "completed",
        "upstream_ms": 200.0,
        "first_byte_ms": 400.0,
        "first_output_ms": 900.0,
        "duration_ms": 4000.0,
        "service_tier_after": "priority",
        "response_service_tier": "fast",
        "usage": TokenCounts(input_tokens=1000, cached_tokens=600, output_tokens=100, reasoning_tokens=40),
    }
    ts = (TODAY - timedelta(days=days_ago)).isoformat()
    return LogLine(ts=ts, eligible=True, **{**usual, **fields})


def home(folder: Path, *lines: LogLine) -> Path:
    """A home whose log has these lines."""
    layout = Layout(folder)
    layout.worker.mkdir(parents=True, exist_ok=True)
    layout.request_log.write_bytes(encode(lines))
    return folder


def printed(folder: Path, *words: str) -> tuple[int, str]:
    """Return the exit code and stdout of the command."""
    streams = Streams(out=io.StringIO(), err=io.StringIO())
    code = main(["usage", *words, "--codex-home", str(folder)], {}, streams)
    return code, streams.out.getvalue()  # type: ignore[attr-defined]  # StringIO


def usage(folder: Path, *words: str) -> dict[str, Any]:
    code, text = printed(folder, *words)
    answer = json.loads(text)
    assert (0, "counted") == (code, answer["status"]), text
    return dict(answer)


def test_a_row_has_every_sum(tmp_path: Path) -> None:
    """Counts, tokens, Fast and times of a model, and the same in the total."""
    folder = home(
        tmp_path,
        line(0),
        line(0, service_tier_before="priority"),
        line(0, ending="failed", response_service_tier=None, usage=None, first_byte_ms=None),
    )
    answer = usage(folder, "--by", "model")
    (row,) = answer["rows"]
    expected = {
        "model": "gpt-5.5",
        "requests": 3,
        "failed": 1,
        "left": 0,
        "unanswered": 0,
        "unreported": 1,
        "input_tokens": 2000,
        "cached_tokens": 1200,
        "output_tokens": 200,
        "reasoning_tokens": 80,
        "fast_asked": 1,
        "fast_sent": 3,
        "fast_served": 2,
        "first_byte_mean_ms": 400.0,
        "first_output_mean_ms": 900.0,
        "duration_mean_ms": 4000.0,
        "money": None,
    }
    assert expected.items() <= row.items()
    assert row["first_byte_median_ms"] == row["first_byte_p95_ms"] == pytest.approx(400, rel=0.09)
    assert row["first_output_median_ms"] == row["first_output_p95_ms"] == pytest.approx(900, rel=0.09)
    assert row == {"model": "gpt-5.5", **answer["total"]}


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", [(TODAY - timedelta(days=days)).date().isoformat() for days in (8, 1, 0)]),
        ("model", ["gpt-5.5", "gpt-6", None]),
        ("tier", ["priority", "flex"]),
        ("session", ["thread-1", "thread-2", None]),
        ("kind", [None]),
    ],
)
def test_each_name_has_a_row(tmp_path: Path, by: str, names: list[str | None]) -> None:
    """Days in order of time, other names with the most requests first; what the log does not name is null."""
    other = line(1, model="gpt-6", session="thread-2", response_service_tier=None, service_tier_after="flex")
    folder = home(tmp_path, line(0), line(0), line(1), other, other, line(8, model=None, session=None))
    assert names == [row[by] for row in usage(folder, "--by", by)["rows"]]


def test_since_is_a_day_or_a_number_of_days(tmp_path: Path) -> None:
    """`2d` is today and yesterday."""
    folder = home(tmp_path, line(0), line(1), line(2))
    counts = [usage(folder, "--since", since)["total"]["requests"] for since in ("1d", "2d", "2020-01-01")]
    assert [1, 2, 3] == counts
    assert (TODAY - timedelta(days=1)).date().isoformat() == usage(folder, "--since", "2d")["since"]


def test_ledger_and_log_together(tmp_path: Path) -> None:
    """A line that the ledger has already is not counted again, and looking writes nothing."""
    folder = home(tmp_path, line(0), line(1))
    layout = Layout(folder)
    update(layout.ledger, layout.request_log)
    with layout.request_log.open("ab") as log:
        log.write(encode([line(0)]))
    before = layout.ledger.read_bytes()
    assert 3 == usage(folder)["total"]["requests"]
    assert before == layout.ledger.read_bytes()


def test_money_by_prices_of_the_users_own(tmp_path: Path) -> None:
    """A row with a price has its amount; one without makes the total null, and is named."""
    folder = home(tmp_path, line(0), line(0, model="gpt-6"))
    prices = tmp_path / "prices.toml"
    prices.write_text(f'currency = "EUR"\n{PRICES}')
    answer = usage(folder, "--by", "model", "--prices", str(prices))
    assert {"gpt-5.5": 0.006, "gpt-6": None} == {row["model"]: row["money"] for row in answer["rows"]}
    assert ("EUR", None) == (answer["currency"], answer["total"]["money"])
    assert ["The prices have none for gpt-6 at priority, so amounts that include it are null."] == answer["warnings"]


def test_a_spreadsheet_gets_one_line_a_row(tmp_path: Path) -> None:
    """Names first, then the sums; a name that a spreadsheet would take for a formula is text."""
    folder = home(tmp_path, line(0), line(0), line(0, model="=1+1"))
    code, text = printed(folder, "--by", "model", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (0, ["gpt-5.5", "'=1+1"]) == (code, [row["model"] for row in rows])
    assert ("2", "2000", "") == tuple(rows[0][name] for name in ("requests", "input_tokens", "money"))


def test_a_page_for_people(tmp_path: Path) -> None:
    """A table with a total, in lines that a terminal does not break."""
    folder = home(tmp_path, line(0), line(0, model="gpt-6", session=None), line(3))
    for by in ("model", "session", "day"):
        code, text = printed(folder, "--by", by, "--format", "text")
        assert 0 == code
        assert "3 requests" in text
        assert "3,000" in text.splitlines()[-1]
        assert all(len(one) <= 110 for one in text.splitlines())


def test_a_home_without_requests(tmp_path: Path) -> None:
    """No rows, a sentence, and no file of ours."""
    answer = usage(tmp_path)
    assert ([], 0) == (answer["rows"], answer["total"]["requests"])
    assert "no request" in answer["message"]
    assert "no request" in printed(tmp_path, "--format", "text")[1]
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "words",
    [("--since", "yesterday"), ("--since", "0d"), ("--by", "hour"), ("--format", "xml"), ("--prices", "absent")],
)
def test_a_wrong_flag_is_an_error(tmp_path: Path, words: tuple[str, str]) -> None:
    """It is named, as by every command."""
    code, text = printed(tmp_path, *words)
    assert (2, "usage") == (code, json.loads(text)["code"])
    assert words[0] in json.loads(text)["error"]


@pytest.mark.parametrize("content", [b"[models]\na = 1", b"\xff"])
def test_a_wrong_file_of_prices_is_named(tmp_path: Path, content: bytes) -> None:
    """The error has the file and the reason, and the file's content stays there."""
    prices = tmp_path / "prices.toml"
    prices.write_bytes(content)
    code, text = printed(tmp_path, "--prices", str(prices))
    assert (2, "usage") == (code, json.loads(text)["code"])
    assert str(prices) in json.loads(text)["error"]


@pytest.mark.parametrize("content", [b"{", b'{"version": 2}'])
def test_a_ledger_that_cannot_be_read_is_no_empty_one(tmp_path: Path, content: bytes) -> None:
    """A damaged ledger, or one of a newer version, is refused and named."""
    folder = home(tmp_path, line(0))
    Layout(folder).ledger.write_bytes(content)
    code, text = printed(folder)
    assert (2, "record_unreadable", str(Layout(folder).ledger)) == (
        code,
        *(json.loads(text)[name] for name in ("code", "path")),
    )
