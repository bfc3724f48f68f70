"""The version of the Codex that used a home last, by the home's own files: for a machine without a CLI."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from cfp.host.disk import Disk
from cfp.layout import Layout

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SESSION: Final = re.compile(rb'"cli_version"\s*:\s*"([^"]{5,40})"')
_HEAD: Final = 64 * 1024  # of a session; the version stands in its first line, which can be longer
_DEPTH: Final = 4  # sessions/YEAR/MONTH/DAY/FILE


def version_of_home(layout: Layout, disk: Disk) -> tuple[int, ...] | None:
    """Return the version in the newest session, else the newest one that version.json knew of."""
    newest = layout.sessions
    for _ in range(_DEPTH):
        names = [name for name in disk.names(newest) if not name.startswith(".")]
        if not names:
            return _latest(disk.read(layout.version_file))
        newest /= max(names)
    match = _SESSION.search(_head(newest))
    version = None if match is None else _parsed(match[1].decode(errors="replace"))
    return version or _latest(disk.read(layout.version_file))


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would be waited for
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _latest(data: bytes | None) -> tuple[int, ...] | None:
    try:
        known = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return None
    return _parsed(str(known.get("latest_version"))) if isinstance(known, dict) else None


def _parsed(text: str) -> tuple[int, ...] | None:
    match = _VERSION.match(text)
    return None if match is None else tuple(map(int, match.groups()))
