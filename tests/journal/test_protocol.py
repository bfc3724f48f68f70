"""The protocol: the order of operations on the disk and the bytes of a log, which every version must keep."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest

from journal.codec import ParsedLog, frames, parse
from tests.crash.model import End, Ends
from tests.crash.simfs import SimFs
from tests.crash.world import SCENARIOS, Scenario, journal_on, recover, run

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "journal"


def log_in(fs: SimFs) -> bytes:
    return next((node.data for path, node in fs.files() if path.endswith(".open")), b"")


def with_slashes(log: ParsedLog) -> bytes:
    """Return the log with the separator of every system, for it names files with that of its own."""
    records = json.loads(json.dumps(log.records).replace("\\\\", "/"))
    for number, record in enumerate(records):
        if record["t"] == "prepared":
            record["crc"] = zlib.crc32(frames(records[:number]))
    return frames(records)


def ends_of(scenario: Scenario, *, windows: bool) -> tuple[list[End], list[str]]:
    """Return every world in which a command could stop, and its operations on the disk."""
    fs, machine = scenario.world(), scenario.machine()
    fs.windows = windows
    ends = Ends(fs, machine)
    fs.log = []
    run(journal_on(fs, machine), scenario, machine)
    return ends.all, fs.log


def recovery_of(end: End) -> list[str]:
    end.fs.log = []
    recover(end.fs, end.machine)
    return end.fs.log


def transcript(scenario: Scenario, *, windows: bool) -> str:
    """Return the operations of a command, its longest log, and the operations of a recovery from two late kills."""
    ends, steps = ends_of(scenario, windows=windows)
    logs = [parse(log_in(end.fs)) for end in ends]
    longest = max(logs, key=lambda log: len(log.records))
    decided = [any(record["t"] in {"commit", "rolled"} for record in log.records) for log in logs]
    first = decided.index(True)
    parts = {
        "the command": steps,
        "the log": with_slashes(longest).decode().splitlines(),
        "recovery, killed before the decision": recovery_of(ends[first - 1]),
        "recovery, killed after it": recovery_of(ends[first]),
    }
    return "".join(f"# {title}\n" + "".join(f"{line}\n" for line in lines) + "\n" for title, lines in parts.items())


@pytest.mark.parametrize("system", ["posix", "windows"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_protocol_is_as_written(scenario: Scenario, system: str) -> None:
    """No barrier is missing, added or moved, and the log has format 1, which every version must read.

    Each order of steps has its own text, and both are followed wherever the test runs.

    CFP_TEST_WRITE_GOLDEN=1 writes the fixtures anew; read the difference before committing it.
    """
    path = FIXTURES / system / f"{scenario.name}.txt"
    written = transcript(scenario, windows=system == "windows")
    if os.environ.get("CFP_TEST_WRITE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(written)
    assert path.read_text() == written
