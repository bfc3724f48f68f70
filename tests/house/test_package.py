"""The archives that users install: whole, and with nothing that lies about in a checkout."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path, PurePosixPath

from tests.house.source import REPOSITORY, tracked

SKILL = "cfp/skill"
# Pages for whoever works on the program; they name files that only a checkout has.
FOR_DEVELOPERS = {"CONTRIBUTING.md", "docs/architecture.md"}
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+\.md)")


def targets() -> dict[str, dict[str, object]]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    built: dict[str, dict[str, object]] = project["tool"]["hatch"]["build"]["targets"]
    return built


def packaged() -> set[str]:
    """The tracked files that the wheel has in the folder of the skill."""
    sources = targets()["wheel"]["force-include"]
    assert isinstance(sources, dict)
    names = (path.relative_to(REPOSITORY).as_posix() for path in tracked())
    return {name for name in names if any(name == one or name.startswith(f"{one}/") for one in sources)}


def test_the_skill_in_the_wheel_is_laid_out_like_the_checkout() -> None:
    """So that each path on SKILL.md leads to the same page in both."""
    sources = targets()["wheel"]["force-include"]
    assert isinstance(sources, dict)
    assert {one: f"{SKILL}/{one}" for one in sources} == sources
    assert not (REPOSITORY / SKILL).exists(), "the wheel's copy would hide the checkout's own skill"


def test_the_wheel_has_every_page_that_its_pages_lead_to() -> None:
    """And the guides, the plugin and its marketplace: what `link-skill` links is whole."""
    pages = packaged()
    assert {"SKILL.md", ".codex-plugin/plugin.json", ".agents/plugins/marketplace.json"} < pages
    assert {f".codex/{one}.md" for one in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL")} < pages
    assert ".codex/skills/codex-fast-proxy/SKILL.md" in pages
    missing = {
        (page, link)
        for page in pages
        if page.endswith(".md")
        for link in map(_normal, (PurePosixPath(page).parent / one for one in _LINK.findall(_text(page))))
        if link not in pages | FOR_DEVELOPERS
    }
    assert set() == missing, "name them in pyproject.toml, force-include"


def _text(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def _normal(path: PurePosixPath) -> str:
    return Path(os.path.normpath(path)).as_posix()


def test_the_sdist_has_each_tracked_file_and_no_other() -> None:
    """It names what it takes: a file that lies about beside them comes into no archive."""
    named = targets()["sdist"]["include"]
    assert isinstance(named, list)
    wanted = {*named, "/pyproject.toml"}  # which hatch always takes
    tops = {f"/{path.relative_to(REPOSITORY).parts[0]}" for path in tracked()}
    assert wanted <= tops
    if shutil.which("git") and (REPOSITORY / ".git").exists():  # else nobody knows what is tracked
        assert tops <= wanted
