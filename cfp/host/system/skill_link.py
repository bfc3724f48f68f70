"""The link from an agent's folder of skills to this checkout: a symbolic link, on Windows a junction."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cfp
from cfp.core.ownership import ROOT, check_ownership
from cfp.errors import Refused
from cfp.host.system.ownership import read_ownership
from cfp.host.system.windows import make_junction
from cfp.layout import skill_link


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillLink:
    """`status` is linked, already_linked, unlinked or missing."""

    status: str
    path: Path
    target: Path
    link_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkType:
    """The functions that link folders on this system: `make(target, path)` and `remove(path)`."""

    kind: str
    make: Callable[[str, str], None]
    remove: Callable[[str], None]


SYMLINK = LinkType(kind="symlink", make=os.symlink, remove=os.unlink)
JUNCTION = LinkType(kind="junction", make=make_junction, remove=os.rmdir)
NATIVE_LINK = JUNCTION if sys.platform == "win32" else SYMLINK


def link(
    repo_root: str | None, skills_root: str | None, environ: Mapping[str, str], link_type: LinkType = NATIVE_LINK
) -> SkillLink:
    """Make the link; raises Refused(skill_missing, skill_place_taken, skill_not_linked)."""
    path, target = _ends(repo_root, skills_root, environ)
    if not (target / "SKILL.md").is_file():
        raise Refused("skill_missing", path=str(target))
    _check_owner(path.parent)
    if _is_link(path):
        if _leads_to(path, target):
            return _result("already_linked", path, target, link_type)
        raise Refused("skill_place_taken", path=str(path))
    if path.exists():
        raise Refused("skill_place_taken", path=str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a file is on the way, or the folder above is closed to this user
        raise _not_linked(path, error) from error
    try:
        link_type.make(str(target), str(path))
    except FileExistsError:
        raise Refused("skill_place_taken", path=str(path)) from None
    except OSError as error:
        if link_type.kind == JUNCTION.kind:
            with suppress(OSError):  # the empty folder that was to become one
                link_type.remove(str(path))
        raise _not_linked(path, error) from error
    return _result("linked", path, target, link_type)


def _not_linked(path: Path, error: OSError) -> Refused:
    return Refused("skill_not_linked", path=str(path), reason=error.strerror or str(error))


def unlink(
    repo_root: str | None, skills_root: str | None, environ: Mapping[str, str], link_type: LinkType = NATIVE_LINK
) -> SkillLink:
    """Remove the link; raises Refused(skill_place_taken) for anything that is not a link to this checkout."""
    path, target = _ends(repo_root, skills_root, environ)
    _check_owner(path.parent)
    if not _is_link(path):
        if path.exists():
            raise Refused("skill_place_taken", path=str(path))
        return _result("missing", path, target, link_type)
    if not _leads_to(path, target):
        raise Refused("skill_place_taken", path=str(path))
    link_type.remove(str(path))
    return _result("unlinked", path, target, link_type)


def _check_owner(folder: Path) -> None:
    """Refuse root in the folder of another user; an ordinary user may have write permission by a group."""
    ownership = read_ownership(folder)
    if ownership.user is not None and ownership.user.uid == ROOT:
        check_ownership(ownership)


def _ends(repo_root: str | None, skills_root: str | None, environ: Mapping[str, str]) -> tuple[Path, Path]:
    target = Path(repo_root).absolute() if repo_root else Path(cfp.__file__).parents[1]
    return skill_link(skills_root, environ).absolute(), target


def _is_link(path: Path) -> bool:
    """Whether it is a symbolic link or a junction: both can be read."""
    try:
        return bool(path.readlink())
    except OSError:
        return False


def _leads_to(path: Path, target: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(target)


def _result(status: str, path: Path, target: Path, link_type: LinkType) -> SkillLink:
    return SkillLink(status=status, path=path, target=target, link_type=link_type.kind)
