"""The commands that sentences name: extracted, and completed with the flag for the Codex home."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cfp.layout import Layout, is_same_home, known_default_home
from cfp.messages import CLI
from cfp.windows_paths import quoted_for_windows

_ACTIONS: Final = frozenset({"next_user_action", "next_action", "next_commands", "fix"})
# A word of a command line that a person copies into the shell of this system.
quoted: Final = quoted_for_windows if sys.platform == "win32" else shlex.quote


def commands_in(action: str) -> list[str]:
    """Return the commands that an action names, for programs that do not read sentences."""
    return [part for part in action.split("`") if part.startswith((CLI, "codex "))]


def home_flag(layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the flag that makes a command, typed in that environment, mean this home: "", or " --codex-home DIR"."""
    default = Path(environ["CODEX_HOME"]) if environ.get("CODEX_HOME") else known_default_home(environ)
    is_default = default is not None and is_same_home(default, layout.home)
    return "" if is_default else f" --codex-home {quoted(str(layout.home))}"


def at_home(action: str, flag: str) -> str:
    """Return the action with the flag behind the verb of each `codex-fast-proxy VERB …` that names no home itself."""
    return "`".join(_at_home(part, flag) for part in action.split("`"))


def completed(answer: Mapping[str, Any], flag: str) -> dict[str, Any]:
    """Return the result with the flag in the commands of every action, nested ones included."""
    return {name: _completed(value, flag, name) for name, value in answer.items()}


def _completed(value: Any, flag: str, name: str) -> Any:
    if isinstance(value, Mapping):
        return completed(value, flag)
    if isinstance(value, list | tuple):
        return [_completed(item, flag, name) for item in value]
    return at_home(value, flag) if name in _ACTIONS and isinstance(value, str) else value


def _at_home(command: str, flag: str) -> str:
    if not command.startswith(f"{CLI} ") or "--help" in command or "--codex-home" in command:
        return command
    program, verb, *rest = command.split(" ")
    return " ".join((program, verb + flag, *rest))
