"""A hook's command line, as the shells that run it read it: /bin/sh, and on Windows PowerShell as well as cmd."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Sequence
from typing import Final

# What PowerShell and cmd both take as it is: no quotes, no variables, no operators, no spaces.
_PLAIN: Final = re.compile(r"[\w.:\\/~+=-]+")
_LAUNCHER: Final = "powershell -NoProfile -NonInteractive -EncodedCommand "


def posix_line(words: Sequence[str]) -> str:
    return shlex.join(words)


def windows_line(words: Sequence[str]) -> str:
    """One line that means the same to PowerShell and to cmd.

    Codex gives a hook to PowerShell and, where there is none, to cmd. A line that begins with a quote is a text to
    PowerShell, not a command, and cmd knows no single quotes: so where a word needs quoting, all of it is a script
    that PowerShell is given in base64 (of UTF-16), which needs none.
    """
    if all(_PLAIN.fullmatch(word) for word in words):
        return " ".join(words)
    script = "& " + " ".join(map(_powershell, words)) + "; exit $LASTEXITCODE"
    return _LAUNCHER + base64.b64encode(script.encode("utf-16-le")).decode("ascii")


def _powershell(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "''") + "'"


def spoken(command: str) -> str:
    """The command as a person would write it: an encoded script decoded, anything else as it is."""
    if not command.startswith(_LAUNCHER):
        return command
    try:
        return base64.b64decode(command.removeprefix(_LAUNCHER), validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return command
