"""The fold of the log: each line once, whatever is killed, rotated, repeated or written at the same time."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.telemetry.ledger.ledger_file import Ledger, LedgerInvalid, update
from cfp.proxy.telemetry.ledger.report import By, report
from cfp.proxy.telemetry.log_lines import LogLine, encode
from cfp.proxy.telemetry.request_log import RotatingFile, moved_names
from tests.access import others_may_read
from tests.proxy.telemetry.ledger.lines import LINES, sums

LIMIT = 6000  # bytes of a log file: some eight lines
ACTS = ("write", "write", "write", "update", "killed update", "restart", "torn line", "two writers")


@dataclass
class Home:
    """A log and a ledger on disk, and the lines that the log took."""

    folder: Path
    written: list[LogLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path, self.log = self.folder / "ledger.json", self.folder / "log"
        self.file = RotatingFile(self.log, limit=LIMIT)
        self.folded_at = 0

    def write(self, line: LogLine) -> None:
        self.file.write(encode([line]))
        self.written.append(line)
        if self.file.rotations - self.folded_at >= 3:  # a worker folds at each; here it failed twice
            self.update()

    def update(self) -> None:
        update(self.path, self.log)
        self.folded_at = self.file.rotations

    def restart(self) -> None:
        self.update()
        self.file.close()
        self.file, self.folded_at = RotatingFile(self.log, limit=LIMIT), 0

    def tear(self, line: LogLine) -> None:
        """Leave a part of a line, as a worker that is killed while it writes."""
        self.restart()
        with self.log.open("ab") as file:
            file.write(encode([line])[:-7])

    def usage(self) -> Ledger:
        ledger = Ledger.read(self.path)
        ledger.fold(self.log)
        return ledger


def total(ledger: Ledger) -> dict[str, int]:
    return report(ledger.table.rows(), By.DAY, None).total


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.lists(LINES, min_size=1, max_size=6)), max_size=12))
def test_each_line_counts_once(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, list[LogLine]]]
) -> None:
    """The sums are those of the lines that the log took, after every act."""
    home = Home(tmp_path_factory.mktemp("home"))
    for act, lines in acts:
        if act == "update":
            home.update()
        elif act == "killed update":
            home.usage()  # it ends before it writes
        elif act == "restart":
            home.restart()
        elif act == "torn line":
            home.tear(lines[0])
        elif act == "two writers":
            slow = home.usage()
            home.write(lines[0])
            home.update()
            slow.write(home.path)  # the older state comes last
        else:
            for line in lines:
                home.write(line)
        ledger = home.usage()
        assert sums(home.written).items() <= total(ledger).items()
        assert [] == ledger.gaps


@given(st.lists(LINES, min_size=1, max_size=40))
def test_the_sums_outlive_the_log(tmp_path_factory: pytest.TempPathFactory, lines: list[LogLine]) -> None:
    """The log may go once it is folded, and what a new log has is added."""
    home = Home(tmp_path_factory.mktemp("home"))
    for line in lines:
        home.write(line)
    home.update()
    before = total(home.usage())
    for name in (home.log, *moved_names(home.log, 5)):
        name.unlink(missing_ok=True)
    home.file.close()
    assert before == total(home.usage())
    assert sums(lines).items() <= before.items()


def plain(number: int) -> LogLine:
    return LogLine(ts=f"2026-11-{number % 28 + 1:02}T10:00:00.000+00:00", request_id=str(number), eligible=True)


def test_a_log_that_rotation_removes_leaves_no_gap(tmp_path: Path) -> None:
    """A worker that folds what it rotates has every line, although the oldest files of the log are gone."""
    home = Home(tmp_path)
    lines = [plain(number) for number in range(200)]
    for line in lines:
        home.write(line)
    home.update()
    ledger = home.usage()
    assert home.file.rotations > len(moved_names(home.log, 5))
    assert ([], len(lines)) == (ledger.gaps, total(ledger)["requests"])


def test_a_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    """A line of which the log has only the beginning is left for the next fold."""
    home = Home(tmp_path)
    text = encode([plain(1), plain(2)])
    for end, requests in ((len(text) - 9, 1), (len(text), 2)):
        home.log.write_bytes(text[:end])
        home.update()
        assert requests == total(home.usage())["requests"]


def test_a_removed_log_leaves_a_named_gap(tmp_path: Path) -> None:
    """A log that went before it was counted: the ledger has the times between which requests may be missing."""
    home = Home(tmp_path)
    home.write(plain(1))
    home.update()
    home.write(plain(2))  # never counted
    home.file.close()  # on Windows an open file keeps its name
    home.log.unlink()
    home.write(plain(3))
    home.update()
    home.update()
    (gap,) = home.usage().gaps
    assert (plain(1).ts, plain(3).ts) == (gap.after, gap.before)
    assert 2 == total(home.usage())["requests"]


def test_an_empty_home_has_an_empty_ledger(tmp_path: Path) -> None:
    """Nothing logged, nothing counted, nothing written by looking."""
    assert 0 == total(Home(tmp_path).usage())["requests"]
    assert [] == [*tmp_path.iterdir()]


def test_the_file_is_private_and_alone(tmp_path: Path) -> None:
    """Others cannot read the ledger, and the file of a writer that was killed long ago goes with the next update."""
    home = Home(tmp_path)
    home.write(plain(1))
    stale, fresh = tmp_path / "ledger.json.0a0b0c0d", tmp_path / "ledger.json.1a1b1c1d"
    for path in (stale, fresh):
        path.write_bytes(b"{")
    os.utime(stale, (time.time() - 7200,) * 2)
    home.update()
    home.file.close()
    assert not others_may_read(home.path)
    assert {home.path, home.log, fresh} == {*tmp_path.iterdir()}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"version":2}', b'{"version":1,"days":{"2026-11-01":3}}'])
def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """One of a newer version, and a damaged one, are neither counted nor overwritten."""
    home = Home(tmp_path)
    home.path.write_bytes(text)
    with pytest.raises(LedgerInvalid):
        home.update()
    assert text == home.path.read_bytes()


def test_foreign_lines_and_other_requests_do_not_count(tmp_path: Path) -> None:
    """Only model requests count: no list of models, no warm-up of a WebSocket, no line that is not ours."""
    home = Home(tmp_path)
    other = msgspec.structs.replace(plain(1), eligible=False, method="GET", path="/v1/models", status=200)
    warm_up = msgspec.structs.replace(other, transport="websocket", status=200)
    too_large = msgspec.structs.replace(warm_up, json_error="not_looked_into")
    home.log.write_bytes(b"[]\n\xff\n{}\n" + encode([other, warm_up, too_large, plain(2)]))
    assert 2 == total(home.usage())["requests"]
