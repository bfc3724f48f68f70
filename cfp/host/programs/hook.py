"""The program that a hook of ours starts: whether it is there, and starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from cfp.codex.hook_command import program_of, words_of
from cfp.core.facts import BrokenProgram
from cfp.host.system.isolation import try_interpreter

_SECONDS: Final = 10.0
_VERB: Final = "autostart"


def broken_program(commands: Sequence[str], *, known_good: str = "") -> BrokenProgram | None:
    """Return the first program of hooks that does not start; None where one of them does.

    known_good  the command that starts this very program; any other one is tried
    """
    flaws = []
    for command in commands:
        program = program_of(command)
        flaw = _absence(program) or ("" if command == known_good else _failure(command))
        if not flaw:
            return None
        flaws.append(BrokenProgram(path=program, reason=flaw))
    return next(iter(flaws), None)


def missing_program(commands: Sequence[str]) -> BrokenProgram | None:
    """Return the first program of hooks that is not there, without a trial; None where one of them is."""
    programs = [program_of(command) for command in commands]
    flaws = [BrokenProgram(path=program, reason=_absence(program)) for program in programs]
    return flaws[0] if flaws and all(flaw.reason for flaw in flaws) else None


def _absence(program: str) -> str:
    if not os.path.exists(program):  # noqa: PTH110 - a text, which need not be a path
        return "is not there any more"
    return "" if os.access(program, os.X_OK) else "cannot be run"


def _failure(command: str) -> str:
    """Start the program of a hook for its version alone, as Codex would start it for the hook."""
    words = words_of(command)
    if _VERB not in words:
        return ""
    try:
        done = try_interpreter((*words[: words.index(_VERB)], "--version"), _SECONDS)
    except subprocess.TimeoutExpired:
        return "does not answer"
    except OSError as error:
        return f"cannot be run ({error.strerror or error})"
    if done.returncode == 0:
        return ""
    return f"does not start this program ({(done.stderr.strip().splitlines() or ['it says nothing'])[-1]})"
