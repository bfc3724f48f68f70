"""The worker's two logs: one JSON line per request in a rotated file, and events for people on stderr.

A thread writes the request lines in batches: a slow or full disk loses lines and never delays a request.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from cfp.proxy.config import ROTATE_BYTES
from cfp.proxy.telemetry.request_record import RequestRecord
from journal.private import append_to, read_from

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

KEPT_FILES: Final = 5
_PATIENCE: Final = 4  # times the limit, while the file cannot be renamed
_RETRY_SECONDS: Final = 1.0
TAIL_BYTES: Final = 2 * 1024 * 1024  # about 3,000 lines, read in 20 ms
_BATCH_SECONDS: Final = 0.002  # costs 8 % of CPU at 7,000 requests a second; a kill then takes ten lines
_BATCH_RECORDS: Final = 32  # records turned into lines at once: about 100 us of the loop
_BATCH_TEXTS: Final = 32  # encoded batches written by one call
_MAX_WAITING: Final = 8 * 1024 * 1024  # bytes
_REPEAT_SECONDS: Final = 60.0


def _replace(source: Path, target: Path) -> None:
    source.replace(target)


class RotatingFile:
    """Appends to one private file; at `limit` bytes the file becomes `.1`, and `.1` to `.4` move up by one.

    Another worker may append to the file and rotate it at the same time, and other programs may move or remove it.

    On Windows a program that reads a file can keep it from being renamed. Then the file grows on, and once a second
    a write tries again. At four times the limit new lines are lost, as on a full disk, until the rename succeeds:
    making the file shorter instead would take from that program what it reads, and from the user what came before.

    rename  moves a file, replacing another one; raises OSError
    clock   returns seconds
    """

    def __init__(
        self,
        path: Path,
        *,
        limit: int = ROTATE_BYTES,
        file_count: int = KEPT_FILES,
        rename: Callable[[Path, Path], None] = _replace,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._limit = limit
        self._moved = moved_names(path, file_count)
        self._rename = rename
        self._clock = clock
        self._refusal: OSError | None = None  # of the last attempt to rename the file
        self._next_attempt = 0.0
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self.rotations = 0
        self._torn = False  # the last line may be incomplete: the next write must begin a new line

    def write(self, data: bytes) -> None:
        """Append whole lines; raises OSError."""
        if not self._is_current():
            self.close()
            self._open()
        size = self._size + len(data)
        if self._size and size > self._limit and not self._rotated() and size > _PATIENCE * self._limit:
            assert self._refusal is not None  # noqa: S101  the reason why it was not rotated
            raise self._refusal
        assert self._descriptor is not None  # noqa: S101  just opened
        view = memoryview(b"\n" + data if self._torn else data)
        while view:
            self._torn = True
            view = view[os.write(self._descriptor, view) :]
        self._torn = False

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def tail(self, limit: int = TAIL_BYTES) -> bytes:
        """Return the newest whole lines of the current file and the one before it, at most `limit` bytes."""
        text = b""
        for name in (self._path, *self._moved[:2]):
            text = last_bytes(name, limit - len(text)) + text
        return text

    def _is_current(self) -> bool:
        """Whether the path still names the open file; updates the known size."""
        if self._descriptor is None:
            return False
        try:
            stat_result = self._path.stat()
        except OSError:
            return False
        self._size = stat_result.st_size
        return (stat_result.st_dev, stat_result.st_ino) == self._identity

    def _open(self) -> None:
        self._descriptor = append_to(self._path)
        stat_result = os.fstat(self._descriptor)
        self._identity, self._size = (stat_result.st_dev, stat_result.st_ino), stat_result.st_size
        # A worker that is killed while it writes leaves a line without an end. Who cannot read (Windows) cannot tell.
        self._torn = last_bytes(self._path, 1, whole_lines=False) not in {b"", b"\n"}

    def _rotated(self) -> bool:
        """Move the full file away and open a new one, unless that was refused within the last second."""
        if self._refusal is not None and self._clock() < self._next_attempt:
            return False
        try:
            self._shift()  # where the last rotation could not finish
            self._rename(self._path, self._moved[0])
        except OSError as error:
            self._refusal, self._next_attempt = error, self._clock() + _RETRY_SECONDS
            return False
        self._refusal = None
        self.rotations += 1
        with suppress(OSError):  # the next rotation finishes it
            self._shift()
        self.close()
        self._open()
        return True

    def _shift(self) -> None:
        """Move `.0` to `.1`, and before it as many of the next ones as must make room: those below the first gap.

        A shift that was refused in the middle leaves a gap, so repeating it moves no file twice.
        """
        names = self._moved
        if not names[0].exists():
            return
        gap = next((number for number, name in enumerate(names) if not name.exists()), len(names) - 1)
        for number in reversed(range(gap)):
            self._rename(names[number], names[number + 1])


def moved_names(path: Path, file_count: int) -> tuple[Path, ...]:
    """Return the names of a log's older files, newest first; `.0` is there only while a rotation is under way."""
    return tuple(path.with_name(f"{path.name}.{number}") for number in range(file_count))


def last_bytes(path: Path, limit: int, *, whole_lines: bool = True) -> bytes:
    """Return the end of a file; empty where the file cannot be read.

    whole_lines  begin at a line's beginning
    """
    try:
        with read_from(path) as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - limit)
            file.seek(start)
            text = file.read(limit) if limit > 0 else b""
    except OSError:
        return b""
    return text[text.find(b"\n") + 1 :] if start and whole_lines else text


class RequestLog:
    """Takes records on the event loop, turns them into lines in small batches, and writes batches in a thread.

    The lines are made on the loop, because a thread that works beside the loop takes the interpreter lock from it at
    every system call. Requests wait while a batch is made, encoded and delivered, so batches are small; not single
    records, since that code would then run from a cold cache each time. What waits for the disk is encoded text.

    A record after a pause is written at once, since a kill takes what is not written, and others 2 ms after the last
    write began, if that has ended.

    on_lines     gets the lines on the loop, whether the disk takes them or not; before the first ones it gets the
                 lines that earlier workers left in the file
    on_error     gets the error of a write that failed
    on_rotated   is called in the thread after this worker has rotated the file
    max_waiting  bytes that may wait for the disk; records beyond them are dropped
    """

    def __init__(
        self,
        file: RotatingFile,
        line: Callable[[RequestRecord], LogLine],
        *,
        on_lines: Callable[[list[LogLine]], None] = lambda _: None,
        on_error: Callable[[OSError], None] = lambda _: None,
        on_rotated: Callable[[], None] = lambda: None,
        max_waiting: int = _MAX_WAITING,
    ) -> None:
        self._file = file
        self._line = line
        self._on_lines = on_lines
        self._on_error = on_error
        self._on_rotated = on_rotated
        self._pending: list[RequestRecord] = []
        self._texts: list[bytes] = []  # encoded batches
        self._size = 0  # bytes of all of them
        self._max_waiting = max_waiting
        self._undelivered: list[LogLine] | None = []  # None once the lines of earlier workers have been delivered
        self._writing: asyncio.Future[tuple[list[LogLine], OSError | None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_write = 0.0  # the loop's time
        self._history_read = False  # used by the writing thread, of which there is one at a time

    def add(self, record: RequestRecord) -> None:
        """Queue one line."""
        if self._size > self._max_waiting:
            return
        self._pending.append(record)
        if len(self._pending) >= _BATCH_RECORDS:
            self._encode_pending()
        if self._timer is None and self._writing is None:
            self._schedule()

    def deliver(self) -> None:
        """Hand the lines of the requests that have ended to their readers now, before they are written."""
        if self._pending:
            self._encode_pending()

    def remember(self) -> None:
        """Read the lines that earlier workers left in the file, unless the first write already did."""
        if self._writing is None:
            self._start()

    def _flush(self) -> None:
        self._timer = None
        if self._writing is None:
            self._start()

    def _encode_pending(self) -> None:
        from cfp.proxy.telemetry.log_lines import encode  # noqa: PLC0415  msgspec is not needed to listen

        lines = [*map(self._line, self._pending)]
        self._pending.clear()
        text = encode(lines)
        self._texts.append(text)
        self._size += len(text)
        if self._undelivered is None:
            self._on_lines(lines)
        else:
            self._undelivered += lines

    def _start(self) -> asyncio.Future[tuple[list[LogLine], OSError | None]]:
        if self._pending:
            self._encode_pending()
        text = b"".join(self._texts[:_BATCH_TEXTS])
        del self._texts[:_BATCH_TEXTS]
        self._size = sum(map(len, self._texts))
        loop = asyncio.get_running_loop()
        self._next_write = loop.time() + _BATCH_SECONDS
        self._writing = writing = loop.run_in_executor(None, self._write, text)
        writing.add_done_callback(self._on_written)
        return writing

    def _on_written(self, future: asyncio.Future[tuple[list[LogLine], OSError | None]]) -> None:
        self._writing = None
        earlier, error = future.result()
        if self._undelivered is not None:
            lines, self._undelivered = earlier + self._undelivered, None
            self._on_lines(lines)
        if error is not None:
            self._on_error(error)
        if self._pending or self._texts:
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            at = 0 if len(self._texts) >= _BATCH_TEXTS else self._next_write
            self._timer = loop.call_at(max(at, loop.time()), self._flush)

    def _write(self, text: bytes) -> tuple[list[LogLine], OSError | None]:
        """Write the text, in the thread; the first call also returns the lines of earlier workers."""
        earlier: list[LogLine] = []
        if not self._history_read:
            from cfp.proxy.telemetry.log_lines import decode  # noqa: PLC0415  the same

            self._history_read = True
            earlier = decode(self._file.tail())
        rotations = self._file.rotations
        try:
            if text:
                self._file.write(text)
        except OSError as error:
            return earlier, error
        if self._file.rotations != rotations:
            self._on_rotated()
        return earlier, None

    async def close(self) -> None:
        """Write everything that is pending and close the file."""
        while self._pending or self._texts or self._writing is not None:
            await asyncio.wait([self._writing or self._start()])
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        self._file.close()


class EventLog:
    """Events of the worker itself, as JSON lines on stderr; the first event imports structlog."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._logger: Any = None
        self._last_logged: dict[str, float] = {}

    def info(self, event: str, **fields: Any) -> None:
        """Log an event that is logged with --verbose only."""
        if self._verbose:
            self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log an event, but each name only once a minute: stderr goes to a file that nobody rotates."""
        now = monotonic()
        if now - self._last_logged.get(event, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._last_logged[event] = now
            self._log("warning", event, fields)

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        # A full disk, a closed stderr or no descriptor left to import a module: no request may fail because of that.
        with suppress(OSError, ValueError, ImportError):
            if self._logger is None:
                self._logger = self._open()
            getattr(self._logger, level)(event, **fields)

    def _open(self) -> Any:
        try:
            import structlog  # noqa: PLC0415  70 ms, and most workers never log an event
        except ImportError:
            return _PlainEvents()
        return structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                structlog.processors.JSONRenderer(),
            ],
        )


class _PlainEvents:
    """Writes structlog's lines where it cannot be imported any more: the worker's environment has been deleted.

    Importing it in time would take 6 MB of every idle worker.
    """

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        line = {**fields, "event": event, "level": level, "ts": datetime.now(UTC).isoformat()}
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()
