"""Temporary folders: removed at the end of their use, or, after a kill, at the next run."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from journal.private import make_folder

_NAME: Final = re.compile(r"codex-fast-proxy-[a-z]+-scratch-\w+")
_LOCK: Final = "in-use.lock"


@contextmanager
def scratch(purpose: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield an empty folder that only its owner can read, in TMPDIR; `purpose` is a word of its name.

    A lock beside the folder marks it as in use; the kernel releases the lock however this process ends.
    """
    place = _parent(environ)
    for path in place.glob("codex-fast-proxy-*"):
        if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            _remove_unless_used(path)
    outer = Path(tempfile.mkdtemp(prefix=f"codex-fast-proxy-{purpose}-scratch-", dir=place))
    try:
        with FileLock(outer / _LOCK):
            folder = outer / purpose
            make_folder(folder)
            yield folder
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _parent(environ: Mapping[str, str]) -> Path:
    named = next((environ[name] for name in ("TMPDIR", "TEMP", "TMP") if environ.get(name)), None)
    return Path(named) if named and Path(named).is_dir() else Path(tempfile.gettempdir())


def _remove_unless_used(path: Path) -> None:
    """Remove a folder whose lock is free. One without a lock file is still being made, or is another user's."""
    try:
        if (path / _LOCK).exists():
            with FileLock(path / _LOCK, timeout=0):
                shutil.rmtree(path, ignore_errors=True)
            shutil.rmtree(path, ignore_errors=True)  # Windows keeps the lock's file as long as it is open
    except (OSError, Timeout):
        return
