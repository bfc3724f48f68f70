"""Every link of a page leads somewhere, and the page for contributors has the menu that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.house.source import REPOSITORY, tracked

PAGES = tuple(path.relative_to(REPOSITORY).as_posix() for path in tracked() if path.suffix == ".md")
NOX = ast.parse((REPOSITORY / "noxfile.py").read_text(encoding="utf-8"))

_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|srcset|href)=\"([^\"]+)\"")


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def links_in(text: str) -> list[str]:
    """Return the links of a text that lead to files and headings, and not to other sites."""
    matches = _LINK.findall(_SPAN.sub("code", _BLOCK.sub("", text)))
    return [link for pair in matches for link in pair if link and "://" not in link]


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page: its headings as GitHub spells them, and its ids."""
    text = _prose(page)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {anchor(heading) for heading in headings} | set(re.findall(r"\bid=\"([^\"]+)\"", text))


def _links(page: Path) -> list[str]:
    return links_in(page.read_text(encoding="utf-8"))


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = unquote(link).partition("#")
    place = page.parent / name if name else page
    return place.exists() and (not anchor or anchor in _anchors(place))


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """Each relative link of a page has its file or folder, and its heading there."""
    page = REPOSITORY / name
    assert [] == [link for link in _links(page) if not _leads_somewhere(page, link)]


def test_links_are_found() -> None:
    """The check above sees links to files, to headings, and in pictures; and it sees a dead one."""
    readme = REPOSITORY / "README.md"
    assert {"docs/guide.md", "docs/images/dashboard.png", "docs/images/dashboard-dark.png"} <= set(_links(readme))
    assert not _leads_somewhere(readme, "docs/guide.md#nowhere")
    assert not _leads_somewhere(readme, "docs/nowhere.md")


def _sessions() -> set[str]:
    return {
        node.name
        for node in NOX.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(mark) for mark in node.decorator_list)
    }


def test_contributors_see_the_whole_menu() -> None:
    """CONTRIBUTING.md names each session that `nox -l` lists, and no other."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set() == _sessions() - set(re.findall(r"`(?:nox -s )?(\w+)[^`\n]*`", text))
    assert set() == set(re.findall(r"nox -s (\w+)", text)) - _sessions()
