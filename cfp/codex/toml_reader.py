r"""TOML 1.1 for Python's parser of TOML 1.0.

Codex 0.169 reads TOML 1.1: newlines, comments and a trailing comma in inline tables, the escapes `\e` and `\xHH`,
times without seconds. The standard library (until 3.14) does not, so where it refuses a text, the text is
rewritten in TOML 1.0 and tried once more. Only its meaning counts; edits splice the original.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from cfp.codex.text import Unparseable, line_and_column

STRING = (
    r'"""(?:[^"\\]|\\.|"(?!""))*+"""(?:"{0,2})'
    r"|'''(?:[^']|'(?!''))*+'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_TOKEN = re.compile(
    rf"(?P<string>{STRING})|(?P<comment>#[^\n]*+)|(?P<mark>[\[\]{{}},\n])|[^\"'#\[\]{{}},\n]++|.", re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:e|x([0-9A-Fa-f]{2})|.)", re.DOTALL)
_SHORT_TIME = re.compile(r"(?<![\d:+-])(\d\d:\d\d)(?![\d:])")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")


def loads(text: str) -> dict[str, Any]:
    """Parse a text without byte order mark; raises Unparseable."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Unparseable("it is nested too deeply") from None
    except ValueError as error:
        refusal = error
    older = _as_toml_1_0(text)
    if older != text:
        try:
            return tomllib.loads(older)
        except ValueError as error:
            refusal = error
    raise _unparseable(refusal, text) from None


def _unparseable(error: ValueError, text: str) -> Unparseable:
    """Name the place and the reason: tomllib quotes single characters and names of keys, never values."""
    message = str(error)
    at = _PLACE.search(message)
    if not isinstance(error, tomllib.TOMLDecodeError) or at is None:
        return Unparseable("it holds a value that is out of range")
    place = {"line": int(at[1]), "column": int(at[2])} if at[1] else _unfinished(text)
    return Unparseable(message[: at.start()].lower(), **place)


def _unfinished(text: str) -> dict[str, int]:
    """Return line and column of the first quote or bracket that nothing closes, else of the end of the text."""
    open_marks: list[int] = []
    for token in _TOKEN.finditer(text):
        if token[0] in {'"', "'"}:  # a whole string is one token, and `""` one in front of a third quote
            start = token.start()
            return line_and_column(text, start - 2 if text[max(0, start - 2) : start] == token[0] * 2 else start)
        if token[0] in {"[", "{"}:
            open_marks.append(token.start())
        elif token[0] in {"]", "}"} and open_marks:
            open_marks.pop()
    return line_and_column(text, open_marks[0] if open_marks else len(text))


def _as_toml_1_0(text: str) -> str:
    """Rewrite the new syntax of TOML 1.1. Removed newlines come back after the table, to keep line numbers."""
    out: list[str] = []
    open_marks: list[str] = []
    owed = 0
    for token in _TOKEN.finditer(text.replace("\r\n", "\n")):
        piece = token[0]
        inline = "{" in open_marks
        if token["string"]:
            piece = _ESCAPE.sub(_older_escape, piece) if piece[0] == '"' else piece
        elif token["comment"] and inline:
            continue
        elif piece in {"[", "{"}:
            open_marks.append(piece)
        elif piece in {"]", "}"} and open_marks:
            if piece == "}":
                _drop_trailing_comma(out)
            open_marks.pop()
        elif piece == "\n" and inline:
            owed += 1
            piece = " "
        elif piece == "\n":
            piece, owed = "\n" * (owed + 1), 0
        elif not token["mark"] and not token["comment"]:
            piece = _SHORT_TIME.sub(r"\1:00", piece)
        out.append(piece)
    return "".join(out)


def _older_escape(escape: re.Match[str]) -> str:
    if escape[0] == "\\e":
        return "\\u001b"
    return f"\\u00{escape[1]}" if escape[1] else escape[0]


def _drop_trailing_comma(out: list[str]) -> None:
    """Blank the comma before a closing brace, where it follows a value."""
    last, *before = [at for at in range(len(out) - 1, -1, -1) if not out[at].isspace()][:2] or [0]
    if out and out[last] == "," and before and out[before[0]] != "{":
        out[last] = " "
