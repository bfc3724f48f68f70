"""Reading TOML 1.1 and telling where a text is wrong."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex.compare import equivalent
from cfp.codex.config_toml import parse
from cfp.codex.text import Unparseable
from cfp.codex.toml_syntax import scan
from tests.strategies import config_texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = {\n  b = 1,\n  c = { d = 2, },\n}\nz = 3", {"a": {"b": 1, "c": {"d": 2}}, "z": 3}),
        ("a = { # }\n b = 1 # ,\n , # c = 2\n c = 3\n}", {"a": {"b": 1, "c": 3}}),
        ("a = [ { b = 1, }, # one\n { b = 2,\n } ]", {"a": [{"b": 1}, {"b": 2}]}),
        ("a = { b = [\n1, # x\n2,\n], }", {"a": {"b": [1, 2]}}),
        ('a = "\\e[0m"\n"\\x41" = "\\\\e \\\\x41"', {"a": "\x1b[0m", "A": "\\e \\x41"}),
        ('a = """\n\\x41\\\n  b"""\nc = { \n}', {"a": "Ab", "c": {}}),
        ("a = '\\e'\nb = '''\\x41'''\nc = { \n}", {"a": "\\e", "b": "\\x41", "c": {}}),
        ("a = { b = '}\\e', # {\n c = \"# no comment\" }", {"a": {"b": "}\\e", "c": "# no comment"}}),
    ],
)
def test_newer_constructs(text: str, expected: dict[str, Any]) -> None:
    """Inline tables of several lines, trailing commas, comments in them, and the two new escapes."""
    assert parse(text.encode()) == expected
    assert parse(text.replace("\n", "\r\n").encode()) == expected


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("07:32", "07:32:00"),
        ("1979-05-27T07:32", "1979-05-27T07:32:00"),
        ("1979-05-27 07:32Z", "1979-05-27 07:32:00Z"),
        ("1979-05-27T07:32-07:00", "1979-05-27T07:32:00-07:00"),
        ("{ a = 07:32, b = 1979-05-27T07:32:10.5+01:30, }", "{ a = 07:32:00, b = 1979-05-27T07:32:10.5+01:30 }"),
    ],
)
def test_times_without_seconds(newer: str, older: str) -> None:
    """They mean the full minute; offsets and fractions are no times."""
    assert parse(f"x = {newer}".encode()) == tomllib.loads(f"x = {older}")


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"a = 1\nb = \n", 2, 5),
        (b"\xef\xbb\xbfa = 1\r\nb = \r\n", 2, 5),
        (b"a = 1\na = 2\n", 2, 6),
        (b"a = {\n b = 1,\n}\n\nc = ]\n", 5, 5),
        (b"[a\n", 1, 3),
        (b"a = 1\nb = '\xff'\n", 2, 6),
        (b"a = { , }", 1, 7),
        (b'a = "\\x4"', 1, 8),
        (b"x = 1\n\n[", 3, 1),
    ],
)
def test_where_a_text_is_wrong(data: bytes, line: int, column: int) -> None:
    """Line and column are those of the user's text, also behind a newer construct; an end says no place."""
    with pytest.raises(Unparseable) as caught:
        parse(data)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "data",
    [
        b"a = " + b"[" * 5000 + b"]" * 5000,
        b"a = " + b"9" * 5000,
        b"a = 2020-13-45",
        b"a = 1\x00",
        b"a = { b = 1,, }",
        b"a = 'x\ny'",
    ],
)
def test_hostile_texts_are_refused(data: bytes) -> None:
    """Too deep, too long, no date, no character: one kind of error for all of them."""
    with pytest.raises(Unparseable):
        parse(data)


@given(st.text(alphabet="ab\"'\\{}[],.=# \n\r\t019:-xe", max_size=40))
def test_no_text_breaks_reader_or_scanner(text: str) -> None:
    """Any text is read or refused; the scanner never hangs and never fails otherwise."""
    try:
        parse(text.encode())
    except Unparseable:
        return
    scan(text)


@pytest.mark.parametrize("text", ["=", "a = ", "a = [", "a = {", "[", 'a = "', "a."])
def test_the_scanner_alone_refuses_what_it_cannot_follow(text: str) -> None:
    """Without the parser before it, it still neither hangs nor guesses."""
    with pytest.raises(Unparseable):
        scan(text)


def test_a_secret_is_not_quoted_in_the_reason() -> None:
    """The reason may be shown and logged; the text may not."""
    with pytest.raises(Unparseable) as caught:
        parse(b'[x]\nkey = "sk-fixture-not-a-key" oops\n')
    assert "sk-fixture" not in str(caught.value)


def _descend(node: Any, path: tuple[str | int, ...]) -> Any:
    """The table at a path, made where it is missing; an int is an element of an array of tables."""
    for part, following in zip(path, [*path, ""][1:], strict=True):
        fresh: Any = [] if isinstance(following, int) else {}
        if isinstance(part, int):
            node += [fresh] * (part == len(node))
            node = node[part]
        else:
            node = node.setdefault(part, fresh)
    return node


@given(config_texts(toml_1_1=True))
def test_the_scanner_finds_every_entry_where_it_is(case: tuple[bytes, str]) -> None:
    """Put together from the spans alone, value by value, the text means what the parser says."""
    text = case[0].decode("utf-8-sig")
    rebuilt: dict[str, Any] = {}
    for section in scan(text):
        _descend(rebuilt, section.path)
        for entry in section.entries:
            value = parse(f"x = {text[slice(*entry.value)]}".encode())["x"]
            _descend(rebuilt, entry.path[:-1])[entry.path[-1]] = value
    assert equivalent(rebuilt, parse(case[0]))
