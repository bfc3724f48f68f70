"""The request log: its lines, its size, and that a disk in trouble stops nothing."""

from __future__ import annotations

import asyncio
import errno
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cfp.proxy.log import Events, RequestLog, RotatingFile
from cfp.proxy.observe import RequestRecord, Usage
from tests.proxy.support import asynchronous

CONTRACT = {
    *("ts", "request_id", "method", "path", "status", "duration_ms", "eligible"),
    *("service_tier_before", "service_tier_after", "service_tier_injected", "service_tier_policy"),
    *("service_tier_effective_policy", "stream", "json_error", "response_content_type", "error_type"),
    *("first_byte_ms", "upstream_ms", "response_service_tier", "usage", "transport", "settings_generation"),
}


def record(number: int = 0) -> RequestRecord:
    return RequestRecord(ts=datetime(2026, 1, 2, tzinfo=UTC), request_id=f"{number:04}", method="GET", path="/v1")


@asynchronous
async def test_a_line_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    """Those and no others; the file is for its owner only."""
    path = tmp_path / "log"
    log = RequestLog(RotatingFile(path))
    line = record()
    line.usage = Usage(input_tokens=1)
    log.add(line)
    await log.close()
    found = json.loads(path.read_text())
    assert set(found) == CONTRACT
    assert found["usage"]["input_tokens"] == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_files_rotate_by_size(tmp_path: Path) -> None:
    """At the limit the file moves up; there are never more than five, and no line is in two of them."""
    file = RotatingFile(tmp_path / "log", limit=100, kept=5)
    for number in range(100):
        file.write(b"%09d\n" % number)
    file.close()
    files = ["log.4", "log.3", "log.2", "log.1", "log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    text = b"".join((tmp_path / name).read_bytes() for name in files)
    assert text == b"".join(b"%09d\n" % number for number in range(50, 100))


def test_an_older_file_is_continued(tmp_path: Path) -> None:
    """A new worker appends, and counts what stands there."""
    (tmp_path / "log").write_bytes(b"x" * 95 + b"\n")
    file = RotatingFile(tmp_path / "log", limit=100)
    file.write(b"1\n")
    file.write(b"22222\n")
    file.close()
    assert ((tmp_path / "log.1").read_bytes()[-4:], (tmp_path / "log").read_bytes()) == (b"x\n1\n", b"22222\n")


class Broken(RotatingFile):
    """A disk that is full until it is not."""

    full = True

    def write(self, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        super().write(data)


@asynchronous
async def test_a_full_disk_costs_lines_only(tmp_path: Path) -> None:
    """The trouble is told, and writing goes on when there is room again."""
    told: asyncio.Queue[OSError] = asyncio.Queue()
    file = Broken(tmp_path / "log")
    log = RequestLog(file, trouble=told.put_nowait)
    log.add(record(1))
    assert (await told.get()).errno == errno.ENOSPC
    file.full = False
    log.add(record(2))
    await log.close()
    assert json.loads((tmp_path / "log").read_text())["request_id"] == "0002"


@asynchronous
async def test_a_hanging_disk_does_not_stop_the_loop(tmp_path: Path) -> None:
    """Lines queue up while a write hangs, and follow it in order."""
    hanging, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Hanging(RotatingFile):
        def write(self, data: bytes) -> None:
            loop.call_soon_threadsafe(hanging.set)
            go_on.wait()
            super().write(data)

    log = RequestLog(Hanging(tmp_path / "log"))
    log.add(record(1))
    await hanging.wait()
    for number in range(2, 100):
        log.add(record(number))
    go_on.set()
    await log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [f"{number:04}" for number in range(1, 100)]


def test_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings always, detail on request only."""
    Events(verbose=False).info("listening", port=1)
    Events(verbose=True).info("listening", port=1)
    Events(verbose=False).warning("trouble", errno=28)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["port"]) == ("listening", "info", 1)
    assert (second["event"], second["level"], second["errno"]) == ("trouble", "warning", 28)
