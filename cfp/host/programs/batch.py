"""The command line that starts a program; for a script of cmd, one of cmd's that no word can break out of.

Windows runs a .cmd by way of cmd, which reads its command line by rules of its own: `&`, `|` and `%` of a word would
be commands and variables. So a script gets only words that mean nothing to cmd.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9._/:\\-]+")
_BARRED_IN_PATH: Final = frozenset('"%!')


class UnsafeWord(ValueError):
    """A script of cmd would not get this word as it is."""


def is_script(program: Path) -> bool:
    """Whether cmd runs the program."""
    return program.suffix.lower() in {".cmd", ".bat"}


def invocation(program: Path, words: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str] | str:
    """Return the arguments of a process for a program, or the command line of cmd for a script; raises UnsafeWord."""
    if not is_script(program):
        return [str(program), *words]
    for word in words:
        if not _PLAIN.fullmatch(word):
            raise UnsafeWord(word)
    if _BARRED_IN_PATH & set(str(program)):
        raise UnsafeWord(str(program))
    shell = Path(environ.get("SYSTEMROOT") or r"C:\Windows") / "System32" / "cmd.exe"
    return f'"{shell}" /d /s /v:off /c ""{program}" {" ".join(words)}"'
