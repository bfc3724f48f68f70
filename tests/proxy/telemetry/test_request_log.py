"""The request log: its lines, its size, and full or hanging disks, which stop nothing."""

from __future__ import annotations

import asyncio
import errno
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from cfp.proxy.telemetry.log_lines import LogLine, LogLineBuilder, decode, encode
from cfp.proxy.telemetry.request_log import EventLog, RequestLog, RotatingFile
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.stream_observer import StreamObserver
from tests.access import give_to_all, others_may_read
from tests.odd_files import ODD_FILES, a_huge_file
from tests.proxy.support import asynchronous
from tests.systems import posix_module

resource = posix_module("resource")

CONTRACT = {
    *("ts", "request_id", "method", "path", "status", "duration_ms", "eligible"),
    *("service_tier_before", "service_tier_after", "service_tier_injected", "service_tier_policy"),
    *("service_tier_effective_policy", "stream", "json_error", "response_content_type", "error_type"),
    *(
        "first_byte_ms",
        "first_output_ms",
        "upstream_ms",
        "response_service_tier",
        "usage",
        "transport",
        "settings_generation",
    ),
    *(
        "model",
        "upstream_base",
        "ending",
        "upstream_error_code",
        "session",
        "response_model",
        "kind",
        "service_tier_rule",
    ),
}


def record(number: int = 0) -> RequestRecord:
    return RequestRecord(number, b"GET", b"/v1/models?key=canary")


def numbers(text: str) -> list[int]:
    return [int(json.loads(line)["request_id"].removeprefix("id"), 16) for line in text.splitlines()]


def fresh_lines() -> LogLineBuilder:
    return LogLineBuilder(
        id_prefix="id", policy="auto", upstream_base="https://relay.example/v1", settings_generation="g"
    )


LINES = fresh_lines()
COMPLETED = b'data: {"type":"response.completed","response":{"service_tier":"flex","usage":{"input_tokens":3}}}\n\n'


def test_a_line_has_the_fields_of_the_contract() -> None:
    """A line has these fields and no others; no query; durations are milliseconds."""
    entry = record(7)
    entry.began_at, entry.sent_at, entry.response_at, entry.first_byte_at, entry.ended_at = 1.0, 1.5, 1.75, 2.0, 3.0
    entry.wall_time, entry.status, entry.content_type = 1_700_000_000.5, 200, b"text/event-stream"
    entry.observer = StreamObserver(sse=True)
    entry.observer.feed(COMPLETED)
    entry.observer.output_at = 2.5
    (line,) = encode([LINES.build(entry)]).splitlines()
    fields = json.loads(line)
    assert set(fields) == CONTRACT
    expected = {
        "ts": "2023-11-14T22:13:20.500+00:00",
        "request_id": "id00000007",
        "method": "GET",
        "path": "/v1/models",
        "duration_ms": 2000.0,
        "first_byte_ms": 1000.0,
        "first_output_ms": 1500.0,
        "upstream_ms": 250.0,
        "response_service_tier": "flex",
        "service_tier_policy": "auto",
        "settings_generation": "g",
        "error_type": None,
        "model": None,
        "transport": "http",
        "upstream_base": "https://relay.example/v1",
    }
    assert {name: fields[name] for name in expected} == expected
    assert fields["usage"]["input_tokens"] == 3


def test_a_line_is_short() -> None:
    """Texts whose length a request or an upstream chooses are cut, so that 50 MB hold many requests."""
    entry = RequestRecord(1, b"POST", b"/v1/" + b"p" * 60_000)
    entry.model = entry.tier_before = entry.tier_after = "m" * 60_000
    entry.content_type = b"c" * 60_000
    entry.observer = StreamObserver(sse=False)
    entry.observer.feed(b'{"service_tier":"%s"}' % (b"t" * 60_000))
    assert len(encode([LINES.build(entry)])) < 2_000


def observed(text: bytes) -> StreamObserver:
    observer = StreamObserver(sse=True)
    observer.feed(text)
    return observer


FACTS: dict[str, tuple[object, object]] = {
    "method": (b"POST", b"GET"),
    "target": (b"/v1/responses", b"/v1/models?k=1"),
    "status": (200, None),
    "sent_at": (1.5, None),
    "response_at": (2.5, None),
    "first_byte_at": (3.5, None),
    "ended_at": (4.5, None),
    "eligible": (True, False),
    "model": ("gpt-5", "m" * 1200),
    "tier_before": (None, "flex"),
    "tier_after": ("priority", None),
    "injected": (True, False),
    "effective_policy": ("inject_missing", "preserve"),
    "stream": (True, None),
    "json_error": (None, "nested_too_deep"),
    "content_type": (b"text/event-stream", None),
    "error_type": (None, "client_left"),
    "transport": ("http", "websocket"),
    "observer": (
        observed(COMPLETED),
        None,
    ),
    "session": ("01a2", None),
    "on_budget": (False, True),
    "rule": ("policy", "keep kind=turn"),
    "kind": ("turn", "subagent"),
    "refusal_key": ("gpt-5", None),
    "wall_time": (1_700_000_000.5, 1_700_000_001.25),
    "number": (1, 2),
}


def facts(**changed: object) -> RequestRecord:
    one = record()
    one.began_at = 1.0
    for name, (value, _) in FACTS.items():
        setattr(one, name, changed.get(name, value))
    return one


@pytest.mark.parametrize("name", FACTS)
def test_templates_lose_no_fact_of_a_request(name: str) -> None:
    """A request that differs from the one before it in one fact gets the line that it would get alone."""
    one, other = facts(), facts(**{name: FACTS[name][1]})
    for first, second in ((one, other), (other, one)):
        lines, alone = (
            LogLineBuilder(id_prefix="id", policy="auto", upstream_base="https://a.example", settings_generation="g")
            for _ in "12"
        )
        lines.build(first)
        assert alone.build(second) == lines.build(second)


def test_every_fact_of_a_request_is_tried() -> None:
    """Every attribute of a record is in the list above."""
    names = {*RequestRecord.__annotations__, *vars(record())} - {"began_at"}
    assert names == set(FACTS)


@pytest.mark.parametrize("model", [None, "gpt-5", "another"])
def test_templates_lose_no_model_of_a_response(model: str | None) -> None:
    """Each line has the model that its own response names."""
    named = {} if model is None else {"model": model}
    event = json.dumps({"type": "response.completed", "response": named}).encode()
    lines = fresh_lines()
    lines.build(facts())
    assert model == lines.build(facts(observer=observed(b"data: " + event + b"\n\n"))).response_model


def test_the_number_of_templates_is_bounded() -> None:
    """The number of cached templates is bounded, however many kinds of requests there are."""
    lines = fresh_lines()
    for status in range(200, 500):
        assert lines.build(facts(status=status)).status == status
    assert len(lines._templates) <= 32


def test_lines_read_back() -> None:
    """A line is the same after decoding; torn and foreign ones are left out."""
    line = LINES.build(record(3))
    text = encode([line])
    assert decode(text[:40] + b"\n" + text + b"[]\n{}\n\xff\n" + text) == [line, line]


def test_a_line_that_a_killed_worker_left_torn_costs_no_other_line(tmp_path: Path) -> None:
    """The next worker begins a line of its own: only the request whose line was being written is lost."""
    text = encode([LINES.build(record(number)) for number in (1, 2, 3)])
    whole, torn = text[: text.rindex(b"\n", 0, -1) + 1], text[:-9]
    (tmp_path / "log").write_bytes(torn)
    file = RotatingFile(tmp_path / "log")
    file.write(whole)
    file.close()
    ids = [line.request_id[-1] for line in decode((tmp_path / "log").read_bytes())]
    assert ["1", "2", "1", "2"] == ids


@pytest.mark.parametrize("limit", [0, 10, 11, 25, 60, 1000])
def test_the_tail_has_whole_lines(tmp_path: Path, limit: int) -> None:
    """The newest lines that fit, across the last rotation, none cut at its beginning."""
    file = RotatingFile(tmp_path / "log", limit=50)
    for number in range(8):
        file.write(b"%09d\n" % number)
    file.close()
    whole = b"".join(b"%09d\n" % number for number in range(8))
    tail = file.tail(limit)
    assert whole.endswith(tail)
    assert len(tail) % 10 == 0
    assert min(limit, len(whole)) - 20 <= len(tail) <= limit


def test_files_rotate_by_size(tmp_path: Path) -> None:
    """At the limit the file is rotated; there are never more than five, and no line is in two of them."""
    file = RotatingFile(tmp_path / "log", limit=100, file_count=5)
    for number in range(100):
        file.write(b"%09d\n" % number)
    file.close()
    files = ["log.4", "log.3", "log.2", "log.1", "log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    text = b"".join((tmp_path / name).read_bytes() for name in files)
    assert text == b"".join(b"%09d\n" % number for number in range(50, 100))


def test_an_older_file_is_continued(tmp_path: Path) -> None:
    """A new worker appends, and the lines already there count towards the limit."""
    (tmp_path / "log").write_bytes(b"x" * 95 + b"\n")
    file = RotatingFile(tmp_path / "log", limit=100)
    file.write(b"1\n")
    file.write(b"22222\n")
    file.close()
    assert ((tmp_path / "log.1").read_bytes()[-4:], (tmp_path / "log").read_bytes()) == (b"x\n1\n", b"22222\n")


@pytest.mark.parametrize(
    "way",
    [
        *("moved", "rotated", "emptied"),
        pytest.param("removed", marks=pytest.mark.beyond_wine("a name that goes while its file is open")),
    ],
)
def test_others_may_move_the_file(tmp_path: Path, way: str) -> None:
    """The next line is in the file of that name, where readers expect it; that file's size counts."""
    path = tmp_path / "log"
    file, other = RotatingFile(path, limit=20), RotatingFile(path, limit=20)
    file.write(b"111111111\n")
    match way:
        case "moved":
            path.rename(tmp_path / "elsewhere")
        case "removed":
            path.unlink()
        case "rotated":
            other.write(b"222222222\n")
            other.write(b"333333333\n")
        case "emptied":
            path.write_bytes(b"")
    file.write(b"444444444\n")
    file.close()
    other.close()
    assert path.read_bytes() == (b"333333333\n444444444\n" if way == "rotated" else b"444444444\n")


def test_two_workers_rotate_one_file(tmp_path: Path) -> None:
    """One drains while the next one serves: the lines of both count, none is lost, none is written twice."""
    files = [RotatingFile(tmp_path / "log", limit=50), RotatingFile(tmp_path / "log", limit=50)]
    for number in range(20):
        files[number % 2].write(b"%09d\n" % number)
    for file in files:
        file.close()
    texts = [(tmp_path / name).read_bytes() for name in ("log.3", "log.2", "log.1", "log")]
    assert [len(text) for text in texts] == [50, 50, 50, 50]
    assert b"".join(texts) == b"".join(b"%09d\n" % number for number in range(20))


@pytest.mark.posix("a limit on the size of files")
def test_a_torn_line_harms_no_other(tmp_path: Path) -> None:
    """After a line that was written in part, the next one begins on a line of its own."""
    path = tmp_path / "log"
    file = RotatingFile(path)
    file.write(b"1\n")
    room, usual = path.stat().st_size + 3, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, usual[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.write(b"22222\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    file.write(b"3\n")
    file.close()
    assert path.read_bytes() == b"1\n222\n3\n"


def test_only_the_user_can_read_the_log(tmp_path: Path) -> None:
    """Also where an older program made the file."""
    path = tmp_path / "log"
    path.touch()
    give_to_all(path)
    file = RotatingFile(path)
    file.write(b"1\n")
    file.close()
    assert not others_may_read(path)


class Broken(RotatingFile):
    """A disk that is full until it is not."""

    full = True

    def write(self, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        super().write(data)


@asynchronous
async def test_a_full_disk_costs_lines_only(tmp_path: Path) -> None:
    """The error is reported, and writing continues when there is room again."""
    errors: asyncio.Queue[OSError] = asyncio.Queue()
    file = Broken(tmp_path / "log")
    log = RequestLog(file, LINES.build, on_error=errors.put_nowait)
    log.add(record(1))
    assert (await errors.get()).errno == errno.ENOSPC
    file.full = False
    log.add(record(2))
    await log.close()
    assert numbers((tmp_path / "log").read_text()) == [2]
    assert not others_may_read(tmp_path / "log")


class Hanging(RotatingFile):
    """A disk that blocks until it is released."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.hangs, self.go_on = asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        self._loop.call_soon_threadsafe(self.hangs.set)
        self.go_on.wait()
        super().write(data)


@asynchronous
async def test_a_hanging_disk_does_not_stop_the_loop(tmp_path: Path) -> None:
    """Lines queue up while a write hangs, and follow it in order."""
    disk = Hanging(tmp_path / "log")
    log = RequestLog(disk, LINES.build)
    log.add(record(1))
    await disk.hangs.wait()
    for number in range(2, 100):
        log.add(record(number))
    disk.go_on.set()
    await log.close()
    assert numbers((tmp_path / "log").read_text()) == list(range(1, 100))


@asynchronous
async def test_a_disk_that_hangs_costs_lines_only(tmp_path: Path) -> None:
    """Text may wait for it up to a limit; records beyond that are dropped and delivered to nobody."""
    disk, delivered = Hanging(tmp_path / "log"), list[LogLine]()
    log = RequestLog(disk, LINES.build, on_lines=delivered.extend, max_waiting=20_000)
    log.add(record(0))
    await disk.hangs.wait()
    for number in range(1, 1000):
        log.add(record(number))
    disk.go_on.set()
    await log.close()
    written = numbers((tmp_path / "log").read_text())
    assert written == list(range(len(written))) == numbers(encode(delivered).decode())
    assert 32 < len(written) < 1000


@asynchronous
async def test_each_line_is_delivered(tmp_path: Path) -> None:
    """First what earlier workers left, then each line once, in order, whether the disk took it or not."""
    earlier = LINES.build(record(1))
    (tmp_path / "log").write_bytes(encode([earlier]))
    batches: asyncio.Queue[list[LogLine]] = asyncio.Queue()
    file = Broken(tmp_path / "log")
    log = RequestLog(file, LINES.build, on_lines=batches.put_nowait)
    log.remember()
    assert await batches.get() == [earlier]
    log.add(record(2))
    assert [line.request_id for line in await batches.get()] == ["id00000002"]
    file.full = False
    log.add(record(3))
    log.remember()
    await log.close()
    assert [line.request_id for line in await batches.get()] == ["id00000003"]
    assert batches.empty()


def test_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are always logged, but not over and over; details with --verbose only."""
    quiet = EventLog(verbose=False)
    quiet.info("listening", port=1)
    EventLog(verbose=True).info("listening", port=1)
    for _ in range(3):
        quiet.warning("trouble", errno=28)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["port"]) == ("listening", "info", 1)
    assert (second["event"], second["level"], second["errno"]) == ("trouble", "warning", 28)


@pytest.mark.posix("a limit on descriptors")
def test_an_event_that_cannot_be_logged_is_left_out() -> None:
    """Without a free descriptor the logger cannot be imported: that event is left out, and the next one is logged."""
    program = (
        "import resource\n"
        "from cfp.proxy.telemetry.request_log import EventLog\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "events = EventLog(verbose=True)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))\n"
        "events.info('first')\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
        "events.info('second')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["second"]


@asynchronous
async def test_a_burst_needs_few_writes(tmp_path: Path) -> None:
    """Each write takes a turn of the thread: with few lines each, a busy worker would queue more than it writes."""
    sizes: list[int] = []

    class Counting(RotatingFile):
        def write(self, data: bytes) -> None:
            sizes.append(data.count(b"\n"))
            super().write(data)

    log = RequestLog(Counting(tmp_path / "log"), LINES.build)
    for number in range(2500):
        log.add(record(number))
    await log.close()
    assert (len(sizes), sum(sizes)) == (3, 2500)


@asynchronous
async def test_a_line_after_a_pause_is_written_at_once(tmp_path: Path) -> None:
    """A kill takes what is not written: the write begins within two turns of the loop, before any time has passed."""
    disk = Hanging(tmp_path / "log")
    log = RequestLog(disk, LINES.build)
    log.add(record(1))
    for _ in range(2):
        await asyncio.sleep(0)
    assert log._writing is not None
    disk.go_on.set()
    await log.close()


@asynchronous
async def test_lines_are_made_in_small_batches(tmp_path: Path) -> None:
    """Lines are made in small batches, whether a request's end or a write makes them, and none is lost."""
    made, over, delivered = 0, asyncio.Event(), list[LogLine]()

    def line(of: RequestRecord) -> LogLine:
        nonlocal made
        made += 1
        return LINES.build(of)

    def deliver(lines: list[LogLine]) -> None:
        delivered.extend(lines)
        if len(delivered) == 200:
            over.set()

    log = RequestLog(RotatingFile(tmp_path / "log"), line, on_lines=deliver)
    at_once = []
    for number in range(200):
        before = made
        log.add(record(number))
        at_once.append(made - before)
    before = made
    await over.wait()
    assert max(*at_once, made - before) <= 32
    await log.close()
    assert made == 200


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", ODD_FILES)
def test_no_log_is_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A request log that is none is neither read nor written, and says so; a huge one is written on."""
    make(tmp_path / "log")
    log = RotatingFile(tmp_path / "log", limit=2 << 30)
    assert b"" == log.tail(100).strip(b"\0")
    with nullcontext() if make is a_huge_file else pytest.raises(OSError, match="log"):
        log.write(b"{}\n")
    log.close()
