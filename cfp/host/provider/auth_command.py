"""The key that a provider's `auth.command` prints; the command runs as Codex runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from cfp.errors import Failed
from cfp.host.programs.search import find_program
from cfp.host.system.windows import NO_WINDOW

_TIMEOUT_MS = 5000  # Codex's own patience where the table names none


def printed_key(auth: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """Run `auth.command` with its `args` and return its stripped stdout.

    As with Codex 0.169, it runs in `auth.cwd`, else in the current folder, with $CODEX_HOME/.env in its environment,
    for `timeout_ms` at most. Its stderr is not read, since it may quote a key.
    Raises Failed(auth_command_failed; command, reason).
    """
    command, arguments = auth.get("command"), auth.get("args", [])
    if not isinstance(command, str) or not isinstance(arguments, list):
        raise _failed("auth.command", "is not a text, or its args are not a list")
    program = find_program(command, variables)
    folder, patience = auth.get("cwd"), auth.get("timeout_ms")
    if program is None:
        raise _failed(command, "was not found")
    seconds = (patience if isinstance(patience, int) and patience > 0 else _TIMEOUT_MS) / 1000
    try:
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=folder if isinstance(folder, str) else None,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            creationflags=NO_WINDOW,
        )
    except subprocess.TimeoutExpired:
        raise _failed(command, f"did not end within {seconds:g} s") from None
    except OSError as error:
        raise _failed(command, f"could not be started ({error.strerror or type(error).__name__})") from None
    if done.returncode != 0:
        raise _failed(command, f"ended with exit code {done.returncode}")
    key = done.stdout.decode(errors="replace").strip()
    if key == "":
        raise _failed(command, "printed nothing")
    return key


def _failed(command: str, reason: str) -> Failed:
    return Failed("auth_command_failed", command=command, reason=reason)
