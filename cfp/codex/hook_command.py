"""The command line of a hook, quoted for the shells that run it: /bin/sh, PowerShell and cmd."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Sequence
from typing import Final

# Words that PowerShell and cmd both take literally: no quotes, variables, operators or spaces.
_PLAIN: Final = re.compile(r"[\w.:\\/~+=-]+")
_LAUNCHER: Final = "powershell -NoProfile -NonInteractive -EncodedCommand "


def posix_line(words: Sequence[str]) -> str:
    """Return a line for /bin/sh."""
    return shlex.join(words)


def windows_line(words: Sequence[str]) -> str:
    """Return a line that means the same to PowerShell and to cmd.

    Codex runs a hook by PowerShell or, without it, by cmd. PowerShell takes a line that begins with a quote for a
    string, not a command, and cmd has no single quotes. So where a word needs quotes, the whole command becomes a
    PowerShell script in base64 (of UTF-16), which needs none.
    """
    if all(_PLAIN.fullmatch(word) for word in words):
        return " ".join(words)
    script = "& " + " ".join(map(_powershell, words)) + "; exit $LASTEXITCODE"
    return _LAUNCHER + base64.b64encode(script.encode("utf-16-le")).decode("ascii")


def _powershell(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "''") + "'"


def decoded(command: str) -> str:
    """Return the command with an encoded PowerShell script decoded; any other command as it is."""
    if not command.startswith(_LAUNCHER):
        return command
    try:
        return base64.b64decode(command.removeprefix(_LAUNCHER), validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return command
