"""The command line of a hook, quoted for the shells that run it: /bin/sh, PowerShell and cmd.

On Windows Codex starts a hook by the shell of the session: `pwsh -NoProfile -Command LINE` where pwsh is on PATH,
else powershell.exe in the same way, else `cmd /c "LINE"` (measured with 0.171). Older versions have put a backslash
before each double quote of a line for cmd. So a line for Windows has no quotes at all.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

# Words that PowerShell and cmd both take literally: no quotes, variables, operators or spaces. The program is an
# absolute path, which neither searches in the folder of the session; `=` and `/` would end it for cmd.
_PROGRAM: Final = re.compile(r"(?:[A-Za-z]:|\\\\[\w.-]+)\\[\w.\\~+-]+")
# PowerShell 5 cuts a word that begins with a dash at its first dot or colon; 7.5 replaces a leading tilde.
_PLAIN: Final = re.compile(r"--?\w[\w-]*|[\w.\\/+][\w.:\\/~+=-]*")
_SYSTEM_ROOT: Final = re.compile(r"[A-Za-z]:\\[\w.\\-]+")
_USUAL_ROOT: Final = r"C:\Windows"
_POWERSHELL: Final = r"System32\WindowsPowerShell\v1.0\powershell.exe"
_ENCODED: Final = re.compile(r"(?:\S*\\)?powershell(?:\.exe)?\s+(?:-\w+\s+)*?-EncodedCommand\s+(\S+)", re.IGNORECASE)
# A quotation mark of any kind ends a text in single quotes for PowerShell, and two of them stand for one.
_SINGLE_QUOTES: Final = re.compile("(['\u2018\u2019\u201a\u201b])")
# Words of such a script, and of a line for Windows: that of 0.2.0 could begin with a quote.
_POWERSHELL_WORD: Final = re.compile("((['\u2018\u2019\u201a\u201b])(?:\\2\\2|(?!\\2).)*\\2|[^\\s]+)")
_QUOTED_TWICE: Final = re.compile("(['\u2018\u2019\u201a\u201b])\\1")
_WINDOWS_LINE: Final = re.compile(r'"|[A-Za-z]:\\|\\\\')
_WINDOWS_WORD: Final = re.compile(r'"([^"]*)"|(\S+)')


def posix_line(words: Sequence[str]) -> str:
    """Return a line for /bin/sh."""
    return shlex.join(words)


def windows_line(words: Sequence[str], powershell: str, *, unset: Sequence[str] = ()) -> str:
    """Return a line that means the same to PowerShell and to cmd.

    PowerShell takes a line that begins with a quote for a string, not a command, and cmd has no single quotes. So
    where a word needs quotes, the whole command becomes a PowerShell script in base64 (of UTF-16), which needs none.
    It first removes the variables in `unset`, which the plain line cannot.

    powershell  path of powershell.exe
    """
    program, *arguments = words
    if _PROGRAM.fullmatch(program) and all(map(_PLAIN.fullmatch, arguments)):
        return " ".join(words)
    removals = "".join(f"$env:{name}=$null; " for name in unset)
    script = f"{removals}& {' '.join(map(_powershell, words))}; exit $LASTEXITCODE"
    encoded = base64.b64encode(script.encode("utf-16-le")).decode("ascii")
    return f"{powershell} -NoProfile -NonInteractive -EncodedCommand {encoded}"


def powershell_path(environ: Mapping[str, str]) -> str:
    """Return the path of powershell.exe, part of Windows; by its name, cmd finds one in the current folder first."""
    root = environ.get("SystemRoot", "")
    return f"{root if _SYSTEM_ROOT.fullmatch(root) else _USUAL_ROOT}\\{_POWERSHELL}"


def _powershell(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else "'" + _SINGLE_QUOTES.sub(r"\1\1", word) + "'"


def program_of(command: str) -> str:
    """Return the program that a hook's line starts, behind env and its options."""
    words = words_of(command)
    if words and words[0].rpartition("/")[2] == "env":
        words = words[1:]
        while words and (words[0] == "-u" or "=" in words[0]):
            words = words[2 if words[0] == "-u" else 1 :]
    return words[0] if words else ""


def words_of(command: str) -> tuple[str, ...]:
    """Return the words of a hook's line, of this version or an earlier one, as its shell reads them."""
    script = decoded(command)
    if script != command:
        line = script.partition("& ")[2].rpartition("; exit ")[0]
        return tuple(
            _QUOTED_TWICE.sub(r"\1", word[1:-1]) if quoted else word
            for word, quoted in _POWERSHELL_WORD.findall(line)
        )
    if _WINDOWS_LINE.match(command):
        return tuple(quoted or plain for quoted, plain in _WINDOWS_WORD.findall(command))
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return tuple(command.split())


def decoded(command: str) -> str:
    """Return the command with an encoded PowerShell script decoded; any other command as it is."""
    script = _ENCODED.fullmatch(command)
    if script is None:
        return command
    try:
        return base64.b64decode(script[1], validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return command
