"""Models of the way of a command line on Windows: Codex, the shell, the start of a program, and the program's argv.

They know a small part of each grammar and refuse the rest (`NotThere`): a line that they take is one whose meaning is
beyond doubt. cmd is as `cmd /?` and the folklore of its parser have it, PowerShell as its own tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final


class NotThere(Exception):
    """The line uses what the model does not have, or does not start one program."""


def argv(line: str) -> list[str]:
    """Split a command line as the C runtime does; the program's name knows quotes only."""
    match = re.match(r'((?:[^ \t"]|"[^"]*"?)*)[ \t]*', line)
    assert match
    words, rest = [match[1].replace('"', "")], line[match.end() :]
    while rest:
        word, quoted, at = "", False, 0
        while at < len(rest) and (quoted or rest[at] not in " \t"):
            slashes = re.match(r"\\*", rest[at:])
            assert slashes
            count = len(slashes[0])
            at += count
            if at < len(rest) and rest[at] == '"':
                word += "\\" * (count // 2)
                if count % 2:
                    word += '"'
                elif quoted and rest[at + 1 : at + 2] == '"':
                    word, at = word + '"', at + 1
                else:
                    quoted = not quoted
                at += 1
            elif count:
                word += "\\" * count
            else:
                word += rest[at]
                at += 1
        words.append(word)
        rest = rest[at:].lstrip(" \t")
    return words


def escaped(word: str) -> str:
    """Quote an argument as Rust's Command and .NET do."""
    if word and not set(word) & set(' \t"'):
        return word
    return '"' + re.sub(r'(\\*)("|\Z)', lambda part: part[1] * 2 + ("\\" if part[2] else "") + part[2], word) + '"'


def wrapped(word: str) -> str:
    """Quote an argument as Windows PowerShell 5.1 does: around spaces, without a thought of what is in it."""
    if '"' in word or not word or (word.endswith("\\") and " " in word):
        raise NotThere(word)
    return f'"{word}"' if re.search(r"\s", word) else word


def cmd(text: str, environ: Mapping[str, str]) -> str:
    """Return the command line of the one program that cmd starts for the text behind /c."""
    text = text.strip()
    if text.startswith('"'):
        start, _, end = text[1:].rpartition('"')
        text = start + end
    text = re.sub(r"%([^%:]+)(?::[^%]*)?%", lambda match: environ.get(match[1].upper(), match[0]), text)
    if text[:1] in "(@:" or "!" in text:  # the registry can switch the expansion of !NAME! on
        raise NotThere(text)
    line, quoted, at = "", False, 0
    while at < len(text):
        if text[at] == '"':
            quoted = not quoted
        elif not quoted and text[at] in "&|<>":
            raise NotThere(text)
        elif not quoted and text[at] == "^":
            at += 1
        line += text[at : at + 1]
        at += 1
    if re.match(r'(?:[^\s"]|"[^"]*"?)*?[=,;/]', line.partition(" ")[0]):
        raise NotThere(text)  # the program's name ends there
    return line


_SINGLE, _DOUBLE, _DASHES = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e', "-\u2013\u2014\u2015"


def powershell(script: str) -> list[list[str]]:
    """Return the commands of a script, each with its arguments, in which nothing is expanded."""
    commands: list[list[str]] = []
    rest = script
    while rest := rest.strip():
        removal = re.match(r"\$env:\w+=\$null; ", rest)
        if removal:
            rest = rest[removal.end() :]
            continue
        if rest == "exit $LASTEXITCODE":
            return commands
        called = rest.startswith("& ")
        rest = rest.removeprefix("& ").lstrip()
        if not called and rest[:1] in _SINGLE + _DOUBLE:
            raise NotThere("a text is no command")
        words: list[str] = []
        while rest and rest[0] != ";":
            word, rest = _word(rest, is_first=not words)
            words.append(word)
            rest = rest.lstrip(" \t")
        commands.append(words)
        rest = rest[1:]
    return commands


def _word(rest: str, *, is_first: bool) -> tuple[str, str]:
    if rest[0] in _SINGLE:
        match = re.match(f"[{_SINGLE}]((?:[^{_SINGLE}]|[{_SINGLE}]{{2}})*)[{_SINGLE}](?![{_SINGLE}])", rest)
        if match is None:
            raise NotThere(rest)
        return re.sub(f"[{_SINGLE}]([{_SINGLE}])", r"\1", match[1]), _boundary(rest[match.end() :])
    match = re.match(r"[^\s;]+", rest)
    assert match
    word = match[0]
    special = set(word) & set(_SINGLE + _DOUBLE + "`$&|<>(){},@#")
    cut = not is_first and word[0] in _DASHES and set(word) & set(".:")
    if special or cut or word[0] in "~[" or word in {"--", "--%"} or (word[0] in _DASHES and word[0] != "-"):
        raise NotThere(word)
    return word, _boundary(rest[match.end() :])


def _boundary(rest: str) -> str:
    if rest and rest[0] not in " \t;":
        raise NotThere(rest)
    return rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A shell as Codex starts it: it takes a hook's line to the command lines of programs."""

    name: str
    lines: Callable[[str], list[str]]


class _Everything(dict[str, str]):
    """An environment in which every variable exists, so that nothing between percent signs stays."""

    def get(self, _name: str, _default: object = None) -> str:  # type: ignore[override]  # a variable is a text
        return "EXPANDED"


def _by_powershell(line: str, quote: Callable[[str], str]) -> list[str]:
    received = argv(" ".join(map(escaped, ("pwsh.exe", "-NoProfile", "-Command", line))))
    (script,) = received[3:]
    return [" ".join(map(quote, words)) for words in powershell(script)]


SHELLS: Final = (
    Shell(name="pwsh", lines=lambda line: _by_powershell(line, escaped)),
    Shell(name="powershell", lines=lambda line: _by_powershell(line, wrapped)),
    Shell(name="cmd", lines=lambda line: [cmd(f'"{line}"', _Everything())]),
    Shell(name="cmd of older versions", lines=lambda line: [cmd(escaped(line), _Everything())]),
)
