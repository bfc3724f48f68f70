"""The commands that sentences name: extracted, and completed with the program as it was called and the Codex home."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cfp.layout import Layout, is_same_home, known_default_home
from cfp.messages import CLI
from cfp.windows_paths import quoted_for_windows

_ACTIONS: Final = frozenset({"next_user_action", "next_action", "next_commands", "fix"})
# A word of a command line that a person copies into the shell of this system.
quoted: Final = quoted_for_windows if sys.platform == "win32" else shlex.quote


_MODULE: Final = "codex_fast_proxy"
_BLANK: Final = re.compile(r"(?<![\w./-])[A-Z]{3,}(?![\w./-])|…")  # NAME, URL: a word that the user replaces
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_PLAIN: Final = re.compile(r"[\w.:\\/~-]+")  # a path that no shell of Windows reads as anything else


def commands_in(action: str, program: str = CLI) -> list[str]:
    """Return the commands that an action names, for programs that do not read sentences.

    program  the words by which the action names this program
    """
    return [part for part in action.split("`")[1::2] if part.startswith((program, "codex "))]


def next_command(action: str, program: str = CLI) -> str | None:
    """Return the command of an action that can be pasted as it stands, ours before Codex's; None without one."""
    complete = [command for command in commands_in(action, program) if not _BLANK.search(_QUOTED.sub("", command))]
    return next((one for one in complete if one.startswith(program)), next(iter(complete), None))


def called_as(script: str, original: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the words by which the shell that started this program starts it again.

    script    sys.argv[0]: the file of the console script, or of the module that runs
    original  sys.orig_argv: the interpreter and its words
    """
    if script.endswith(".py"):
        interpreter = original[0] if _is_found(original[0], sys.executable, environ) else _typed(sys.executable)
        return f"{interpreter} -m {_MODULE}"
    name = Path(script).name.removesuffix(".exe")
    # `uv run` puts a folder on the PATH of its commands which the user's shell does not have.
    program = name if "UV" not in environ and _is_found(name, script, environ) else _typed(os.path.abspath(script))  # noqa: PTH100  links stay
    return CLI if "`" in program else program  # the sentences mark their commands with it


def _is_found(name: str, path: str, environ: Mapping[str, str]) -> bool:
    """Whether the user's shell finds this very file by its name."""
    if os.path.basename(name) != name:  # noqa: PTH119  a word as it was typed
        return False
    place = shutil.which(name, path=environ.get("PATH"))
    return place is not None and _comparable(place) == _comparable(path)


def _comparable(path: str) -> str:
    return os.path.normcase(os.path.abspath(path)).removesuffix(".exe")  # noqa: PTH100  another link is another program


def in_powershell(path: str) -> str:
    """Return the path of a program as PowerShell runs it: with its operator `&` where the path must be quoted."""
    return path if _PLAIN.fullmatch(path) else "& '{}'".format(path.replace("'", "''"))


# The path of a program as the shell of this system runs it.
_typed: Final = in_powershell if sys.platform == "win32" else shlex.quote


def home_flag(layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the flag that makes a command, typed in that environment, mean this home: "", or " --codex-home DIR"."""
    default = Path(environ["CODEX_HOME"]) if environ.get("CODEX_HOME") else known_default_home(environ)
    is_default = default is not None and is_same_home(default, layout.home)
    return "" if is_default else f" --codex-home {quoted(str(layout.home))}"


def at_home(action: str, flag: str) -> str:
    """Return the action with the flag behind the verb of each `codex-fast-proxy VERB …` that names no home itself."""
    return "`".join(_at_home(part, flag) for part in action.split("`"))


def completed(answer: Mapping[str, Any], flag: str, program: str = CLI) -> dict[str, Any]:
    """Return the result with program and flag in the commands of every action, nested ones included."""
    return {name: _completed(value, flag, name, program) for name, value in answer.items()}


def _completed(value: Any, flag: str, name: str, program: str) -> Any:
    if isinstance(value, Mapping):
        return completed(value, flag, program)
    if isinstance(value, list | tuple):
        return [_completed(item, flag, name, program) for item in value]
    return _by(program, at_home(value, flag)) if name in _ACTIONS and isinstance(value, str) else value


def _by(program: str, action: str) -> str:
    """Return the action with these words for the name of this program in each of its commands."""
    parts = action.split("`")
    parts[1::2] = [re.sub(rf"^{CLI}(?= )", lambda _: program, part) for part in parts[1::2]]
    return "`".join(parts)


def _at_home(command: str, flag: str) -> str:
    if not command.startswith(f"{CLI} ") or "--help" in command or "--codex-home" in command:
        return command
    program, verb, *rest = command.split(" ")
    return " ".join((program, verb + flag, *rest))
