"""The rules by which Codex reads $CODEX_HOME/.env: quotes, escapes, `export`, substitution, corner cases.

They were observed: Codex 0.169 read each of the cases in tests/host/provider/test_dotenv.py.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping

_LINE = re.compile(
    r"""(?: [^\S\n]\#[^\n]*                     # a comment takes the rest of the line, quotes and all
          | \\. | \\\Z
          | '(?:\\.|[^'\\])*+(?:'|\\?\Z)        # quotes may span lines; unclosed ones reach the end
          | "(?:\\.|[^"\\])*+(?:"|\\?\Z)
          | [^\n'"\\]
        )*+ (?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_LINE = re.compile(r"[^\S\n]*\#[^\n]*(?:\n|\Z)")
_ASSIGNMENT = re.compile(
    r"(?:export\s+(?=[A-Za-z_]))?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?P<value>.*)", re.DOTALL
)
_SUBSTITUTION = r"""\$\{(?P<braced>[^}]*)\}
                  | \$(?!\{)(?P<bare>[^\W_]*)(?P<after>[^$]?)"""  # the sign after a name is plain, even a quote
_ESCAPE = r"""\\(?P<escaped>[\\'"$\ n])"""
_OUTSIDE = re.compile(
    rf"""(?P<plain>[^'"\\$\ \t]+) | '(?P<single>[^']*)' | (?P<quote>") | {_ESCAPE} | {_SUBSTITUTION}
       | (?P<end>[\ \t]+(?:\#.*)?\Z)""",
    re.VERBOSE | re.DOTALL,
)
_INSIDE = re.compile(rf"""(?P<plain>[^"\\$]+) | (?P<quote>") | {_ESCAPE} | {_SUBSTITUTION}""", re.VERBOSE | re.DOTALL)


def parse_dotenv(data: bytes | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that $CODEX_HOME/.env sets, read by Codex's rules on top of the environment.

    A line that does not parse is skipped, and so are names that begin with CODEX_ in any case.
    """
    text = (data or b"").decode(errors="surrogateescape")
    read: dict[str, str] = {}
    settable: dict[str, str] = {}
    variables = ChainMap(settable, dict(environ), read)
    position = 0
    while position < len(text):
        match = _COMMENT_LINE.match(text, position) or _LINE.match(text, position)
        if match is None:  # the pattern takes any text; this is for the type checker
            break
        position = match.end()
        assignment = _ASSIGNMENT.fullmatch(match.group().strip())
        if assignment is None or not _is_utf8(assignment.group()):
            continue
        name = assignment["name"]
        value = _value(assignment["value"], variables)
        if value is not None:
            read[name] = value
            if not name.upper().startswith("CODEX_"):
                settable[name] = value
    return settable


def _is_utf8(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _value(text: str, variables: Mapping[str, str]) -> str | None:
    """Return the value unquoted and with its substitutions; None where it does not parse."""
    if text.startswith("#"):
        return ""
    value = ""
    quoted = False
    position = 0
    while position < len(text):
        match = (_INSIDE if quoted else _OUTSIDE).match(text, position)
        if match is None:
            return None
        position = match.end()
        groups = match.groupdict()
        if groups["quote"]:
            quoted = not quoted
        elif groups["escaped"]:
            value += "\n" if groups["escaped"] == "n" else groups["escaped"]
        elif groups["braced"] is not None:
            value += variables.get(groups["braced"], "")
        elif groups["bare"] is not None:
            value += variables.get(groups["bare"], "") + groups["after"]
        else:
            value += groups["plain"] or groups.get("single") or ""
    return None if quoted else value
