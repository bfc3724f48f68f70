"""The worker's two logs: one JSON line per request in a rotated file, and events for people on stderr.

Lines are gathered and written together by a thread: a slow or full disk costs lines, never a request.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from cfp.proxy.telemetry.request_record import RequestRecord

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

ROTATE_BYTES: Final = 10 * 1024 * 1024
KEPT_FILES: Final = 5
TAIL_BYTES: Final = 2 * 1024 * 1024  # some 3,000 lines, read in 20 ms
_GATHER_SECONDS: Final = 0.05
_TOGETHER: Final = 32  # records that lines are made of together: some 100 us of the loop
_AT_ONCE: Final = 32  # texts of as many lines that are written together
_MOST_WAITING: Final = 8 * 1024 * 1024  # bytes
_REPEAT_SECONDS: Final = 60.0


class RotatingFile:
    """Appends to one file of mode 0600; at `limit` bytes it becomes `.1`, and `.1` to `.4` move up by one.

    Another worker may append to it and move it up as well, and whoever else may move it or remove it.
    """

    def __init__(self, path: Path, *, limit: int = ROTATE_BYTES, kept: int = KEPT_FILES) -> None:
        self._path = path
        self._limit = limit
        self._kept = kept
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._size = 0
        self._torn = False  # the last line may have been written in part: the next one must not continue it

    def write(self, data: bytes) -> None:
        """Append whole lines; raises OSError."""
        if not self._is_there():
            self.close()
            self._open()
        if self._size and self._size + len(data) > self._limit:
            self._rotate()
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
        """Return the newest whole lines of the current file and the one before it, at most so many bytes."""
        newer = _last_bytes(self._path, limit)
        older = _last_bytes(self._path.with_name(f"{self._path.name}.1"), limit - len(newer))
        return older + newer

    def _is_there(self) -> bool:
        """Whether the open file is still the one of that name, and how large it is by now."""
        if self._descriptor is None:
            return False
        try:
            found = self._path.stat()
        except OSError:
            return False
        self._size = found.st_size
        return (found.st_dev, found.st_ino) == self._identity

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = os.open(self._path, flags, 0o600)
        found = os.fstat(self._descriptor)
        self._identity, self._size = (found.st_dev, found.st_ino), found.st_size
        if hasattr(os, "fchmod"):
            os.fchmod(self._descriptor, 0o600)  # 0.1.0 made it as the umask said

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._kept))]
        for newer, older in zip(reversed(names[:-1]), reversed(names[1:]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._open()


def _last_bytes(path: Path, limit: int) -> bytes:
    """The end of a file from the beginning of a line on; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - limit)
            file.seek(start)
            text = file.read(limit) if limit > 0 else b""
    except OSError:
        return b""
    return text[text.find(b"\n") + 1 :] if start else text


class RequestLog:
    """Takes records on the event loop, makes lines of a few of them at a time, and writes many at a time in a thread.

    They are made on the loop, since a thread that works beside it takes the interpreter from it at every system call.
    Whoever comes meanwhile waits for them, so it is some at a time that are made, encoded and told; with fewer the
    code for it would be cold each time. What waits for the disk is text.

    told     gets the lines on the loop, whether the disk takes them or not; before the first ones it gets those that
             earlier workers have left in the file
    waiting  bytes at the most that wait for a disk; lines beyond them are dropped and counted
    """

    def __init__(
        self,
        file: RotatingFile,
        line: Callable[[RequestRecord], LogLine],
        *,
        told: Callable[[list[LogLine]], None] = lambda _: None,
        trouble: Callable[[OSError], None] = lambda _: None,
        waiting: int = _MOST_WAITING,
    ) -> None:
        self._file = file
        self._line = line
        self._told = told
        self._trouble = trouble
        self._pending: list[RequestRecord] = []
        self._texts: list[bytes] = []  # of some lines each
        self._size = 0  # of all of them
        self._room = waiting
        self._untold: list[LogLine] | None = []  # until those of earlier workers have been told
        self._writing: asyncio.Future[tuple[list[LogLine], OSError | None]] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._remembered = False  # of the thread that writes, of which there is one at a time
        self.dropped = 0

    def add(self, record: RequestRecord) -> None:
        """Queue one line."""
        if self._size > self._room:
            self.dropped += 1
            return
        self._pending.append(record)
        if len(self._pending) >= _TOGETHER:
            self._make()
        if self._timer is None and self._writing is None:
            self._later()

    def remember(self) -> None:
        """Read what earlier workers have left, if that has not been done with a first line."""
        if self._writing is None:
            self._start()

    def _flush(self) -> None:
        self._timer = None
        if self._writing is None:
            self._start()

    def _make(self) -> None:
        from cfp.proxy.telemetry.log_lines import encode  # noqa: PLC0415  msgspec is not needed to listen

        lines = [*map(self._line, self._pending)]
        self._pending.clear()
        text = encode(lines)
        self._texts.append(text)
        self._size += len(text)
        if self._untold is None:
            self._told(lines)
        else:
            self._untold += lines

    def _start(self) -> asyncio.Future[tuple[list[LogLine], OSError | None]]:
        if self._pending:
            self._make()
        text = b"".join(self._texts[:_AT_ONCE])
        del self._texts[:_AT_ONCE]
        self._size = sum(map(len, self._texts))
        loop = asyncio.get_running_loop()
        self._writing = writing = loop.run_in_executor(None, self._write, text)
        writing.add_done_callback(self._written)
        return writing

    def _written(self, future: asyncio.Future[tuple[list[LogLine], OSError | None]]) -> None:
        self._writing = None
        earlier, error = future.result()
        if self._untold is not None:
            lines, self._untold = earlier + self._untold, None
            self._told(lines)
        if error is not None:
            self.dropped += 1
            self._trouble(error)
        if self._pending or self._texts:
            self._later()

    def _later(self) -> None:
        if self._timer is None:
            seconds = 0 if len(self._texts) >= _AT_ONCE else _GATHER_SECONDS
            self._timer = asyncio.get_running_loop().call_later(seconds, self._flush)

    def _write(self, text: bytes) -> tuple[list[LogLine], OSError | None]:
        """In the thread; return the lines of earlier workers, with the first ones."""
        earlier: list[LogLine] = []
        if not self._remembered:
            from cfp.proxy.telemetry.log_lines import decode  # noqa: PLC0415  the same

            self._remembered = True
            earlier = decode(self._file.tail())
        try:
            if text:
                self._file.write(text)
        except OSError as error:
            return earlier, error
        return earlier, None

    async def close(self) -> None:
        """Write what is pending and let go of the file."""
        while self._pending or self._texts or self._writing is not None:
            await asyncio.wait([self._writing or self._start()])
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
        self._file.close()


class EventLog:
    """What happened to the worker itself, as JSON lines on stderr; structlog is loaded with the first one."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._logger: Any = None
        self._told: dict[str, float] = {}

    def info(self, event: str, **fields: Any) -> None:
        """Say it where the user asked for detail."""
        if self._verbose:
            self._log("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say it, but the same event only once a minute: stderr goes to a file that nobody rotates."""
        now = monotonic()
        if now - self._told.get(event, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told[event] = now
            self._log("warning", event, fields)

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        # A full disk, a closed stderr, no descriptor left to load a module with: no request may fail of it.
        with suppress(OSError, ValueError, ImportError):
            if self._logger is None:
                self._logger = self._open()
            getattr(self._logger, level)(event, **fields)

    def _open(self) -> Any:
        import structlog  # noqa: PLC0415  70 ms, and most workers never have an event to tell

        return structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                structlog.processors.JSONRenderer(),
            ],
        )
