"""The path of a Python: the one that an upgrade leaves in place, and places in which none stays.

Homebrew installs each version of a formula into a folder of its own, PREFIX/Cellar/NAME/VERSION, removes that folder
with the next version, and leads PREFIX/opt/NAME to the newest. A framework starts the program inside Python.app.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from typing import Final

_CELLAR: Final = re.compile(r"(?P<prefix>/.*)/Cellar/(?P<name>[^/]+)/[^/]+/(?P<rest>.+)")
_APP: Final = re.compile(r"(?P<version>/.*/Python\.framework/Versions/(?P<number>[\d.]+))/Resources/Python\.app/.+")
# `uvx`, `uv run --with` and `uv run SCRIPT`; `pipx run`. By the names that they give: their caches may lie anywhere.
_BIN: Final = r"/(?:bin|Scripts)/.*"
_OF_UV: Final = r"archive-v\d+(?=/[\w-]{16,}/)|builds-v\d+(?=/\.tmp\w+/)|environments-v\d+(?=/[^/]*[0-9a-f]{16}/)"
_CACHES: Final = {
    "uv": re.compile(rf"(?P<folder>.*/(?:{_OF_UV}))/[^/]+{_BIN}"),
    "pipx": re.compile(rf"(?P<folder>.*)/[0-9a-f]{{15}}{_BIN}"),
}
_MOST_LINKS: Final = 40  # as many as the kernel follows


def temporary_folder(python: str, temporary: str) -> str:
    """Return the cache of uv or pipx, or the temporary folder, that an interpreter lies in; "" for another place."""
    path = python.replace("\\", "/")
    for pattern in _CACHES.values():
        if match := pattern.match(path):
            return match["folder"]
    folder = temporary.replace("\\", "/").rstrip("/")
    return temporary if folder and os.path.normcase(path).startswith(os.path.normcase(f"{folder}/")) else ""


def system_temporary() -> str:
    """Return the folder for temporary files; "" where none can be written, as in a sandbox."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return ""


def cached_by(python: str) -> str:
    """Return the tool, uv or pipx, in whose cache an interpreter lies; "" for neither."""
    path = python.replace("\\", "/")
    return next((tool for tool, pattern in _CACHES.items() if pattern.match(path)), "")


def lasting_path(python: str, exists: Callable[[str], bool] = os.path.exists) -> str:
    """Return the path by which this interpreter is found after its upgrade, too; `python` where there is none."""
    path = python
    if match := _APP.fullmatch(path):
        program = f"{match['version']}/bin/python{match['number']}"
        path = program if exists(program) else path
    if match := _CELLAR.fullmatch(path):
        linked = f"{match['prefix']}/opt/{match['name']}/{match['rest']}"
        path = linked if exists(linked) else path
    return path


def versioned_path(python: str, read_link: Callable[[str], str] = os.readlink) -> str:
    """Return the path in a folder of one version to which this interpreter leads; "" where it leads to none.

    A virtual environment's `bin/python` is a link, and stays when what it names is gone.
    """
    for _ in range(_MOST_LINKS):
        if _CELLAR.fullmatch(python):
            return python
        try:
            python = os.path.normpath(os.path.join(os.path.dirname(python), read_link(python)))  # noqa: PTH118, PTH120 - text
        except OSError:
            return ""
    return ""
