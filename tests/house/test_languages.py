"""Each page in Chinese has the structure of its English page: headings, blocks, commands, tables and links.

A change of English prose alone breaks nothing here. At its end the Chinese page records a hash of each English
section; where the structures differ, the sections that changed since are named. CFP_TEST_WRITE_TRANSLATED=1 renews
the record, once the Chinese page says what the English one says.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import pytest

from tests.house.source import REPOSITORY
from tests.house.test_pages import anchor, links_in

PAIRS: Final = {"README.md": "README.zh-CN.md", "docs/guide.md": "docs/guide.zh-CN.md"}

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_ROW: Final = re.compile(r"^\|.*\|$", re.MULTILINE)
_COMMENT: Final = re.compile(r"(^|\s+)# .*$", re.MULTILINE)
_RECORD: Final = re.compile(r"\n<!-- sections of (\S+)\n(.*?)\n-->\n", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and the text up to the next one. `level` is the number of its hashes."""

    level: int
    title: str
    text: str

    @property
    def digest(self) -> str:
        """A short hash of heading and text."""
        return hashlib.sha256(f"{self.title}\n{self.text}".encode()).hexdigest()[:12]

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return _FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Language and content of each block, without comments."""
        return [(language, _COMMENT.sub("", code)) for language, code in _FENCE.findall(self.text)]

    @property
    def spans(self) -> set[str]:
        """The commands, flags, files and names in the prose."""
        return set(_SPAN.findall(self.prose))

    @property
    def rows(self) -> list[int]:
        """The number of cells of each row of its tables."""
        return [row.count("|") for row in _ROW.findall(self.prose)]


def sections(text: str) -> list[Section]:
    """Cut a page at its headings; a `#` inside of a block is none."""
    blank = _FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), _RECORD.sub("\n", text))
    heads = list(_HEADING.finditer(blank))
    ends = [head.start() for head in heads[1:]] + [len(blank)]
    return [
        Section(level=len(head[1]), title=head[2], text=text[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
    ]


def differences(english: list[Section], chinese: list[Section], translated: Callable[[str], str]) -> Iterator[str]:
    """Yield a line for each difference of structure, with the heading of the English section."""
    if [section.level for section in english] != [section.level for section in chinese]:
        yield f"headings: {len(english)} / {len(chinese)}, or other levels"
        return
    for mine, theirs in zip(english, chinese, strict=True):
        parts: Mapping[str, tuple[object, object]] = {
            "blocks": (mine.blocks, theirs.blocks),
            "code in the text": (sorted(mine.spans - theirs.spans), sorted(theirs.spans - mine.spans)),
            "rows of tables": (mine.rows, theirs.rows),
            "links": (sorted(map(translated, links_in(mine.text))), sorted(links_in(theirs.text))),
        }
        for name, (wanted, present) in parts.items():
            if wanted != present:
                yield f"{mine.title}: {name}: {wanted} / {present}"


def _read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _translation(english: str, link: str) -> str:
    """Return the link of the Chinese page for a link of the English one: Chinese pages link one another."""
    name, _, heading = link.partition("#")
    here = PurePosixPath(english)
    place = posixpath.normpath(here.parent / name) if name else english
    target = PAIRS.get(place)
    if place == PAIRS[english]:
        return here.name
    if target is None:
        return link
    if heading:
        titles = [anchor(section.title) for section in sections(_read(place))]
        heading = anchor(sections(_read(target))[titles.index(heading)].title)
    path = name.replace(PurePosixPath(place).name, PurePosixPath(target).name)
    return f"{path}#{heading}" if heading else path


def _behind(page: list[Section], record: str) -> list[str]:
    """Return the headings of the sections whose hash is not in the record."""
    return [section.title for section in page if section.digest not in record.split()]


@pytest.mark.parametrize("english", PAIRS)
def test_the_pages_have_one_structure(english: str) -> None:
    """Headings, blocks but for comments, code in the text, tables and links are the same, section by section."""
    path = REPOSITORY / PAIRS[english]
    page, text = sections(_read(english)), path.read_text(encoding="utf-8")
    if os.environ.get("CFP_TEST_WRITE_TRANSLATED") == "1":
        digests = "\n".join(f"{section.digest} {section.title}" for section in page)
        text = _RECORD.sub("\n", text).rstrip("\n") + f"\n\n<!-- sections of {english}\n{digests}\n-->\n"
        path.write_text(text, encoding="utf-8", newline="\n")
    record = _RECORD.search(text)
    assert record is not None, "CFP_TEST_WRITE_TRANSLATED=1 writes the record of the English sections"
    lines = list(differences(page, sections(text), lambda link: _translation(english, link)))
    behind = _behind(page, record[2])
    changed = f"sections of {english} that changed since {path.name} was written: {behind}"
    assert [] == lines, f"{changed}; change it there, then CFP_TEST_WRITE_TRANSLATED=1 renews the record"


_PAGE: Final = "# A\n\n`x` [b](c.md)\n\n## B\n\n```bash\nrun --it   # now\n```\n\n| a |\n|---|\n| b |\n"


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("run --it", "run --that", "B: blocks"),
        ("## B", "### B", "headings"),
        ("`x`", "`y`", "A: code"),
        ("| b |\n", "", "B: rows"),
        ("c.md", "d.md", "A: links"),
    ],
)
def test_a_difference_is_seen(before: str, after: str, name: str) -> None:
    """Each part of the structure counts, and is named with its section."""
    page, other = sections(_PAGE), sections(_PAGE.replace(before, after, 1))
    (line,) = differences(page, other, str)
    assert line.startswith(name)


@pytest.mark.parametrize(("before", "after"), [("# now", "# 现在"), ("## B", "## 乙"), ("[b]", "[乙]")])
def test_words_are_free(before: str, after: str) -> None:
    """Headings, comments and prose may be in another language; the section counts as changed."""
    page, other = sections(_PAGE), sections(_PAGE.replace(before, after, 1))
    assert [] == list(differences(page, other, str))
    assert 1 == len(_behind(other, " ".join(section.digest for section in page)))
