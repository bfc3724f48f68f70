"""The link from an agent's folder of skills to this checkout: a symbolic link, on Windows a junction."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cfp.errors import Refused
from cfp.host import runtime
from cfp.layout import skill_link

WINDOWS = sys.platform == "win32"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillLink:
    """`status` is linked, already_linked, unlinked or missing."""

    status: str
    path: Path
    target: Path
    link_type: str


def link(repo_root: str | None, skills_root: str | None, environ: Mapping[str, str]) -> SkillLink:
    """Make the link; raises Refused(skill_missing, skill_place_taken)."""
    path, target = _ends(repo_root, skills_root, environ)
    if not (target / "SKILL.md").is_file():
        raise Refused("skill_missing", path=str(target))
    if _is_link(path):
        if _leads_to(path, target):
            return _told("already_linked", path, target)
        raise Refused("skill_place_taken", path=str(path))
    if path.exists():
        raise Refused("skill_place_taken", path=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    if WINDOWS:
        # A junction needs no privilege, a symbolic link does.
        subprocess.run(["cmd", "/d", "/c", "mklink", "/J", str(path), str(target)], check=True, capture_output=True)  # noqa: S607  cmd is found where Windows keeps it
    else:
        path.symlink_to(target, target_is_directory=True)
    return _told("linked", path, target)


def unlink(repo_root: str | None, skills_root: str | None, environ: Mapping[str, str]) -> SkillLink:
    """Remove the link; raises Refused(skill_place_taken) for anything that is not a link to this checkout."""
    path, target = _ends(repo_root, skills_root, environ)
    if not _is_link(path):
        if path.exists():
            raise Refused("skill_place_taken", path=str(path))
        return _told("missing", path, target)
    if not _leads_to(path, target):
        raise Refused("skill_place_taken", path=str(path))
    if WINDOWS:
        path.rmdir()
    else:
        path.unlink()
    return _told("unlinked", path, target)


def _ends(repo_root: str | None, skills_root: str | None, environ: Mapping[str, str]) -> tuple[Path, Path]:
    target = Path(repo_root).absolute() if repo_root else Path(runtime.package_path()).parent
    return skill_link(skills_root, environ).absolute(), target


def _is_link(path: Path) -> bool:
    if WINDOWS:
        try:
            return bool(path.readlink())
        except OSError:
            return False
    return path.is_symlink()


def _leads_to(path: Path, target: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(target)


def _told(status: str, path: Path, target: Path) -> SkillLink:
    return SkillLink(status=status, path=path, target=target, link_type="junction" if WINDOWS else "symlink")
