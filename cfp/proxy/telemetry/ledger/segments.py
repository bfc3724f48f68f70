"""The files of the request log as the ledger reads them: each line once, wherever rotation has moved its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from cfp.proxy.telemetry.request_log import KEPT_FILES, moved_names
from journal.private import read_from

_CHUNK: Final = 32 * 1024  # folded at once, in some 0.3 ms; between two chunks the event loop goes on
_MAX_LINE: Final = 64 * 1024
MAX_SEGMENTS: Final = 16  # log files whose offsets are kept; the log has six at most


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log; `name` is a digest of its first line, which has the time and the id of its request."""

    name: str
    file: BinaryIO


def fold(log: Path, offsets: dict[str, int], take: Callable[[bytes], object]) -> bool:
    """Give each whole line behind the offsets to `take`, oldest first, and move the offsets on.

    Return whether a file is missing that the offsets had reached last: lines at its end may have been lost.

    offsets  bytes that have been taken of each segment; the segment that was read last stands last
    """
    with ExitStack() as stack:
        segments = [*_segments(log, stack)]
        last = next(reversed(offsets), None)
        is_missing = bool(segments) and last is not None and last not in {segment.name for segment in segments}
        for segment in reversed(segments):
            start = offsets.pop(segment.name, 0)
            offsets[segment.name] = _take_lines(segment.file, start, take)
    for name in [*offsets][:-MAX_SEGMENTS]:
        del offsets[name]
    return is_missing


def lines_since(log: Path, day: str) -> Iterator[bytes]:
    """Give the whole lines of the files whose lines may be of this UTC day or later ones; newest file first."""
    with ExitStack() as stack:
        for segment in _segments(log, stack):
            lines: list[bytes] = []
            _take_lines(segment.file, 0, lines.append)
            yield from lines
            if lines and lines[0].startswith(b'{"ts":"') and lines[0][7 : 7 + len(day)] < day.encode():
                return


def _segments(log: Path, stack: ExitStack) -> Iterator[Segment]:
    """Open the files, newest first: a rotation meanwhile moves a file towards those that are opened next.

    So none is missed, and one that is opened twice has nothing more to take the second time.
    """
    for path in (log, *moved_names(log, KEPT_FILES)):
        try:
            file = stack.enter_context(read_from(path))
            first = file.readline(_MAX_LINE)
        except OSError:
            continue
        if first.endswith(b"\n"):
            yield Segment(blake2b(first, digest_size=8).hexdigest(), file)


def _take_lines(file: BinaryIO, start: int, take: Callable[[bytes], object]) -> int:
    """Take the whole lines from an offset on; return the offset behind the last one."""
    file.seek(start)
    rest = b""
    while chunk := file.read(_CHUNK):
        text = rest + chunk
        end = text.rfind(b"\n") + 1
        for line in text[:end].splitlines():
            take(line)
        start += end
        rest = text[end:]
    return start
