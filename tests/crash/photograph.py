"""Look at a real folder with the eyes of the invariants, and move a scenario into it."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from journal.fs import Kind
from tests.crash.simfs import Node, SimFs
from tests.crash.world import HOME, Scenario


def moved_to(scenario: Scenario, home: Path) -> Scenario:
    """The same scenario with every path under `home` instead of HOME."""
    return replace(
        scenario,
        files={_real(path, home): data for path, data in scenario.files.items()},
        modes={_real(path, home): mode for path, mode in scenario.modes.items()},
        links={_real(path, home): _real(target, home) for path, target in scenario.links.items()},
        folders=tuple(_real(folder, home) for folder in scenario.folders),
        changes=tuple(replace(change, path=Path(_real(str(change.path), home))) for change in scenario.changes),
    )


def build(scenario: Scenario, home: Path) -> None:
    """Make the files of a scenario that was moved to `home`."""
    home.mkdir(mode=0o700)
    for folder in scenario.folders:
        Path(folder).mkdir(mode=0o700)
    for name, data in scenario.files.items():
        path = Path(name)
        path.write_bytes(data)
        path.chmod(scenario.modes.get(name, 0o600))
        os.utime(path, ns=(4711_000, 4711_000))
    for name, target in scenario.links.items():
        Path(name).symlink_to(target)


def photograph(home: Path) -> SimFs:
    """The folder as a simulated file system under HOME; a node's number is its inode."""
    fs = SimFs()
    for folder, _, names in os.walk(home):
        for path in [Path(folder), *(Path(folder) / name for name in names)]:
            found = path.lstat()
            fs.seen[str(HOME / path.relative_to(home))] = found.st_ino
            fs.nodes[found.st_ino] = Node(
                kind=_kind(found.st_mode),
                data=_data(path, found.st_mode),
                mode=stat.S_IMODE(found.st_mode),
                uid=found.st_uid,
                gid=found.st_gid,
                mtime_ns=0 if stat.S_ISDIR(found.st_mode) else found.st_mtime_ns,
            )
    return fs


def _real(path: str, home: Path) -> str:
    return str(home / Path(path).relative_to(HOME))


def _kind(mode: int) -> Kind:
    if stat.S_ISLNK(mode):
        return Kind.LINK
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.FILE


def _data(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return str(path.readlink()).encode()
    return path.read_bytes() if stat.S_ISREG(mode) else b""
