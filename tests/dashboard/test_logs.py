"""The `logs` command: the newest requests, followed across rotations, as columns or JSON lines."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.cli import Streams, main
from cfp.commands.logs import requests
from cfp.layout import Layout
from cfp.proxy.telemetry.log_reader import LogReader
from cfp.proxy.telemetry.request_log import KEPT_FILES, RotatingFile
from cfp.views.requests import columns, header
from tests.core.test_traffic import AT
from tests.dashboard.stage import line
from tests.systems import posix_module

pty = posix_module("pty")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def numbered(number: int) -> bytes:
    return json.dumps({"request_id": number}).encode() + b"\n"


def numbers(lines: list[bytes]) -> list[int]:
    return [json.loads(one)["request_id"] for one in lines]


def written(home: Path, *lines: dict[str, Any]) -> Path:
    """Write a home whose log has these lines."""
    layout = Layout(home)
    layout.worker.mkdir(parents=True)
    layout.request_log.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return home


def ran(home: Path, *words: str, out: io.StringIO | None = None) -> tuple[int, str, str]:
    """Return (exit code, stdout, stderr) of the command."""
    streams = Streams(out=out or io.StringIO(), err=io.StringIO())
    code = main(["logs", *words, "--codex-home", str(home)], {}, streams)
    return code, streams.out.getvalue(), streams.err.getvalue()  # type: ignore[attr-defined]  # StringIO both


def test_json_lines_for_programs(tmp_path: Path) -> None:
    """One JSON object a line, as the log has them; twenty by default."""
    home = written(tmp_path, *(line(AT, number) for number in range(30)))
    code, out, err = ran(home)
    assert (0, "") == (code, err)
    assert [line(AT, number) for number in range(10, 30)] == [json.loads(one) for one in out.splitlines()]
    assert 5 == len(ran(home, "--lines", "5")[1].splitlines())
    assert 30 == len(ran(home, "-n", "100")[1].splitlines())
    assert "" == ran(home, "--lines", "0")[1]


def test_columns_for_people(tmp_path: Path) -> None:
    """On a terminal, or on request: a header, then one line a request."""
    home = written(tmp_path, line(AT, 1), line(AT, 2, status=502, error_type="upstream_unreachable", usage=None))
    _, out, _ = ran(home, out=Terminal())
    head, fine, failed = out.splitlines()
    assert header() == head
    assert "priority (added)" in fine
    assert "420 ms" in fine
    assert "4.20 s" in fine
    assert "502" in failed
    assert "upstream_unreachable" in failed
    assert out == ran(home, "--format", "text")[1]
    assert 2 == len(ran(home, "--format", "json", out=Terminal())[1].splitlines())


def test_an_empty_log_is_explained_on_stderr(tmp_path: Path) -> None:
    """Without lines stdout stays empty, and stderr says why."""
    assert (0, "", "The proxy has not logged a request yet.\n") == ran(tmp_path)


@pytest.mark.parametrize("words", [("--lines", "x"), ("--lines", "-1"), ("--format", "xml")])
def test_a_wrong_flag_is_an_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A wrong flag is reported as by every command."""
    code, out, _ = ran(tmp_path, *words)
    assert 2 == code
    assert "usage" == json.loads(out)["code"]


def test_other_lines_are_skipped(tmp_path: Path) -> None:
    """Torn lines and lines of other programs are skipped."""
    layout = Layout(written(tmp_path))
    layout.request_log.write_bytes(numbered(1) + b'{"request_id": \n[]\n\xff\n' + numbered(2) + b'{"half')
    assert [1, 2] == [json.loads(one)["request_id"] for one in ran(tmp_path)[1].splitlines()]


@given(
    st.dictionaries(
        st.sampled_from(["ts", "status", "usage", "model", "path", "duration_ms", "service_tier_after"]),
        st.none() | st.booleans() | st.floats() | st.text() | st.dictionaries(st.text(), st.integers(), max_size=2),
    )
)
def test_any_line_has_columns(row: dict[str, Any]) -> None:
    """Any value in the log prints on one line, without control characters."""
    assert columns(row).isprintable()


ACTS = st.lists(st.one_of(st.integers(1, 12), st.just("read")), min_size=1, max_size=30)


@given(ACTS, st.integers(0, 40), st.integers(60, 400))
def test_each_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, acts: list[int | str], past: int, limit: int
) -> None:
    """Each line is read once, however writing, rotating and reading interleave."""
    path = tmp_path_factory.mktemp("log") / "requests.jsonl"
    file = RotatingFile(path, limit=limit)
    reader = LogReader(path)
    numbers_read: list[int] = []
    count = unread = 0
    begun = False
    try:
        for act in [*acts, "read"]:
            if isinstance(act, int):
                for _ in range(act):
                    if unread * len(numbered(count)) < limit * (KEPT_FILES - 2):
                        file.write(numbered(count))
                        count += 1
                        unread += 1
            elif begun:
                numbers_read += numbers(reader.new_lines())
                unread = 0
            else:
                first = numbers(reader.last_lines(past))
                stored = sum(
                    len(part.read_bytes().splitlines())
                    for part in (path, path.with_suffix(".jsonl.1"))
                    if part.exists()
                )
                assert list(range(count))[-min(past, stored) :][: min(past, stored)] == first
                numbers_read, begun, unread = list(range(count)), True, 0
        assert list(range(count)) == numbers_read
    finally:
        file.close()


def test_a_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
    """An incomplete line is read once it is complete; a new file is read from its beginning."""
    path = tmp_path / "requests.jsonl"
    reader = LogReader(path)
    assert [] == reader.last_lines(5)
    path.write_bytes(numbered(1) + b'{"request')
    assert [1] == numbers(reader.new_lines())
    with path.open("ab") as file:
        file.write(b'_id": 2}\n')
    assert [2] == numbers(reader.new_lines())
    path.unlink()
    assert [] == reader.new_lines()
    path.write_bytes(numbered(3))
    assert [3] == numbers(reader.new_lines())


def test_following_goes_on(tmp_path: Path) -> None:
    """Existing lines come first, then new ones."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(numbered(1))
    coming = iter(range(2, 5))

    def wait() -> None:
        with path.open("ab") as file:
            file.write(numbered(next(coming)))

    rows: Iterator[dict[str, Any]] = requests(LogReader(path), 9, follow=True, wait=wait)
    assert [1, 2, 3, 4] == [next(rows)["request_id"] for _ in range(4)]


@pytest.mark.posix("a pseudo-terminal, and signals sent to a process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """On a real terminal: columns, a new request while it runs, and only the exit code after ^C."""
    home = written(tmp_path, line(AT, 1))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "codex_fast_proxy", "logs", "--follow", "--codex-home", str(home)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        output = b""
        while output.count(b"\n") < 2:
            output += terminal.read(4096)
        with Layout(home).request_log.open("a") as log:
            log.write(json.dumps(line(AT, 2, model="a-new-one")) + "\n")
        while output.count(b"\n") < 3:
            output += terminal.read(4096)
        process.send_signal(number)
        assert 128 + number == process.wait(20)
        try:
            rest = terminal.read(4096)
        except OSError:  # Linux reports a terminal without a program like this
            rest = b""
    assert b"a-new-one" in output
    assert 3 == (output + rest).count(b"\n")


def test_a_reader_that_leaves_ends_it(tmp_path: Path) -> None:
    """`logs --follow | head -1` ends with the next request."""
    home = written(tmp_path, line(AT, 1))
    command = [sys.executable, "-P", "-m", "codex_fast_proxy", "logs", "--follow", "--codex-home", str(home)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        with Layout(home).request_log.open("a") as log:
            log.write(json.dumps(line(AT, 2)) + "\n")
        assert 0 == process.wait(20)
