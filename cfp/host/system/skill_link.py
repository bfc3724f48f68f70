"""The link from an agent's folder of skills to this program's skill: a symbolic link, on Windows a junction.

A checkout is the skill's folder itself; a wheel carries the same pages in a folder of the package, with the same
paths between them. An upgrade to another Python moves that folder, and leaves the link leading nowhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cfp
from cfp.core.ownership import ROOT, check_ownership
from cfp.errors import CfpError, Refused
from cfp.host.system.ownership import read_ownership
from cfp.host.system.windows import make_junction
from cfp.layout import skill_link


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillLink:
    """`status` is linked, already_linked, unlinked or missing; `replaced` is where the link led before."""

    status: str
    path: Path
    target: Path
    link_type: str
    replaced: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkType:
    """The functions that link folders on this system: `make(target, path)` and `remove(path)`."""

    kind: str
    make: Callable[[str, str], None]
    remove: Callable[[str], None]


SYMLINK = LinkType(kind="symlink", make=os.symlink, remove=os.unlink)
JUNCTION = LinkType(kind="junction", make=make_junction, remove=os.rmdir)
NATIVE_LINK = JUNCTION if sys.platform == "win32" else SYMLINK

PAGE: Final = "SKILL.md"
_NAME: Final = "name: codex-fast-proxy"


def skill_folder(package: Path | None = None) -> Path:
    """Return the folder of this program's skill: inside of the package `cfp` in a wheel, else the checkout."""
    package = package or Path(cfp.__file__).parent
    packaged = package / "skill"
    return packaged if (packaged / PAGE).is_file() else package.parent


def link(
    repo_root: str | None, skills_root: str | None, environ: Mapping[str, str], link_type: LinkType = NATIVE_LINK
) -> SkillLink:
    """Make the link; raises Refused(skill_missing, skill_place_taken, skill_not_linked).

    A link that leads nowhere, or to another copy of this skill, is led here.
    """
    path, target = _ends(repo_root, skills_root, environ)
    if not (target / PAGE).is_file():
        raise Refused("skill_missing", path=str(target))
    _check_owner(path.parent)
    before = _link_target(path)
    if before is None:
        if path.exists():
            raise Refused("skill_place_taken", path=str(path))
        _make(path, target, link_type)
        return _result("linked", path, target, link_type)
    if _leads_to(path, target):
        return _result("already_linked", path, target, link_type)
    if path.exists() and not _is_this_skill(path):
        raise Refused("skill_place_taken", path=str(path))
    link_type.remove(str(path))
    try:
        _make(path, target, link_type)
    except Refused:
        with suppress(OSError):
            link_type.make(str(before), str(path))
        raise
    return replace(_result("linked", path, target, link_type), replaced=before)


def _make(path: Path, target: Path, link_type: LinkType) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a file is on the way, or the folder above is closed to this user
        raise _not_linked(path, target, error) from error
    try:
        link_type.make(str(target), str(path))
    except FileExistsError:
        raise Refused("skill_place_taken", path=str(path)) from None
    except OSError as error:
        if link_type.kind == JUNCTION.kind:
            with suppress(OSError):  # the empty folder that was to become one
                link_type.remove(str(path))
        raise _not_linked(path, target, error) from error


def _not_linked(path: Path, target: Path, error: OSError) -> Refused:
    return Refused("skill_not_linked", path=str(path), target=str(target), reason=error.strerror or str(error))


def unlink(
    repo_root: str | None, skills_root: str | None, environ: Mapping[str, str], link_type: LinkType = NATIVE_LINK
) -> SkillLink:
    """Remove a link to this skill or to nothing; raises Refused(skill_place_taken) for anything else."""
    path, target = _ends(repo_root, skills_root, environ)
    _check_owner(path.parent)
    if _link_target(path) is None:
        if path.exists():
            raise Refused("skill_place_taken", path=str(path))
        return _result("missing", path, target, link_type)
    if path.exists() and not _leads_to(path, target):
        raise Refused("skill_place_taken", path=str(path))
    link_type.remove(str(path))
    return _result("unlinked", path, target, link_type)


def stale_target(environ: Mapping[str, str]) -> str:
    """Return the target of the user's link where that is gone, or another copy of this program's skill; else ""."""
    try:
        path = skill_link(None, environ)
    except CfpError:  # the user has no folder
        return ""
    target = _link_target(path)
    if target is None or _leads_to(path, skill_folder()):
        return ""
    return str(target) if not path.exists() or _is_this_skill(path) else ""


def _check_owner(folder: Path) -> None:
    """Refuse root in the folder of another user; an ordinary user may have write permission by a group."""
    ownership = read_ownership(folder)
    if ownership.user is not None and ownership.user.uid == ROOT:
        check_ownership(ownership)


def _ends(repo_root: str | None, skills_root: str | None, environ: Mapping[str, str]) -> tuple[Path, Path]:
    target = Path(repo_root).absolute() if repo_root else skill_folder()
    return skill_link(skills_root, environ).absolute(), target


def _link_target(path: Path) -> Path | None:
    """Return the text of a symbolic link or a junction, which can be read both; None for anything else."""
    try:
        return path.readlink()
    except OSError:
        return None


def _is_this_skill(folder: Path) -> bool:
    """Whether a folder has a page SKILL.md of this skill's name: that of another copy of this program."""
    try:
        return _NAME in (folder / PAGE).read_text(encoding="utf-8", errors="replace").splitlines()[:5]
    except OSError:
        return False


def _leads_to(path: Path, target: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(target)


def _result(status: str, path: Path, target: Path, link_type: LinkType) -> SkillLink:
    return SkillLink(status=status, path=path, target=target, link_type=link_type.kind)
