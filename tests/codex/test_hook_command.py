"""A hook's line says the same to every shell that may run it, and is known as ours again."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex import hooks_document
from cfp.codex.hook_command import _LAUNCHER, decoded, posix_line, windows_line
from cfp.core.program import program_words

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=6)
OURS = ("-I", "-m", "codex_fast_proxy", "autostart", "--codex-home", r"C:\Users\me\.codex", "--quiet")
USER_SITE = program_words("python", r"C:\Users\me's\AppData\Roaming\Python")[1:]
PYTHONS = (
    r"C:\Python\python.exe",
    r"C:\Program Files\Python 3\python.exe",
    r"C:\Users\O'Brien\python.exe",
    r"C:\Users\Jörg\a&b\python.exe",
    r"C:\50%\$x`\python.exe",
)


def powershell_words(script: str) -> list[str]:
    """Split a call as PowerShell does, for bare words and single quotes only."""
    call = script.removeprefix("& ").removesuffix("; exit $LASTEXITCODE")
    matches = re.findall(r"'((?:[^']|'')*)'|(\S+)", call)
    return [bare or quoted.replace("''", "'") for quoted, bare in matches]


@given(WORDS)
def test_every_word_arrives(words: list[str]) -> None:
    """On Windows either as it stands, or within a script of which the shells see letters only."""
    line = windows_line(words)
    if line.startswith(_LAUNCHER):
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", line.removeprefix(_LAUNCHER))
        assert words == powershell_words(decoded(line))
    else:
        assert words == line.split(" ")
        assert not set(line) & set("\"'`$%&|<>^()@#;,{}!*?[]")
    assert words == shlex.split(posix_line(words))


@pytest.mark.parametrize("python", PYTHONS)
def test_no_windows_line_begins_with_a_quote(python: str) -> None:
    """To PowerShell that would be a text, which it prints and calls a success."""
    assert re.match(r"[\w:\\.]+ ", windows_line((python, *OURS)))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("line", [posix_line, windows_line])
def test_it_is_known_as_ours(python: str, line: object) -> None:
    """However it is spelled: found again for status, update and removal."""
    assert callable(line)
    for words in (OURS, ("-P", *OURS[1:]), OURS[1:], (*USER_SITE, *OURS[3:])):
        command = line((python, *words))
        doc = {"hooks": {"SessionStart": [hooks_document.group(command)]}}
        assert 1 == len(hooks_document.find_ours(doc))
        assert (words in {OURS, (*USER_SITE, *OURS[3:])}) == hooks_document.is_isolated(command)


def test_another_script_is_not_ours() -> None:
    """Encoded or broken, it is somebody else's."""
    others = [windows_line(("C:\\a b\\x.exe", "-m", "other")), f"{_LAUNCHER}not base64!", f"{_LAUNCHER}QQ=="]
    doc = {"hooks": {"SessionStart": [hooks_document.group(command) for command in others]}}
    assert () == hooks_document.find_ours(doc)
