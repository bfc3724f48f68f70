"""Finds a program by PATH, and never in the current folder.

The current folder is a project's, and may hold a program of the same name. Windows looks there first, and so does
`shutil.which`; on POSIX, an empty or relative entry of PATH means it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cfp.host.programs._posix import is_program as _is_program_of_posix
from cfp.host.programs._windows import is_program as _is_program_of_windows
from cfp.host.programs._windows import names_of

_ON_WINDOWS = sys.platform == "win32"


def candidates(name: str, environ: Mapping[str, str], *, windows: bool = _ON_WINDOWS) -> Iterator[Path]:
    """Yield the programs of a name in the absolute folders of PATH, in order; a name with a folder is that file.

    windows  a name gets each ending of PATHEXT, and programs that only Windows itself may start are left out
    """
    names = names_of(name, environ) if windows else [name]
    is_program = _is_program_of_windows if windows else _is_program_of_posix
    folders = [Path(name).parent] if Path(name).name != name else _folders(environ.get("PATH", os.defpath))
    paths = (folder / Path(one).name for folder in folders for one in names)
    return (path for path in paths if is_program(path))


def find_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """Return the first of `candidates`; None where there is none."""
    return next(candidates(name, environ), None)


def _folders(path: str) -> list[Path]:
    """Return the absolute folders of PATH, without the quotes that Windows allows around them."""
    entries = (entry.strip().strip('"') for entry in path.split(os.pathsep))
    return [Path(entry) for entry in entries if Path(entry).is_absolute()]
