"""The key that a provider's `auth.command` prints; the command runs as Codex runs it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from cfp.host.programs.search import find_program
from cfp.host.system.windows import NO_WINDOW

_TIMEOUT_MS = 5000  # Codex's own patience where the table names none


def printed_key(auth: Mapping[str, Any], variables: Mapping[str, str]) -> str | None:
    """Run `auth.command` with its `args` and return its stripped stdout; None where it fails or prints nothing.

    As with Codex 0.169, it runs in `auth.cwd`, else in the current folder, with $CODEX_HOME/.env in its environment,
    for `timeout_ms` at most. Its stderr is not read.
    """
    command, arguments = auth.get("command"), auth.get("args", [])
    if not isinstance(command, str) or not isinstance(arguments, list):
        return None
    program = find_program(command, variables)
    folder, patience = auth.get("cwd"), auth.get("timeout_ms")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            cwd=folder if isinstance(folder, str) else None,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=(patience if isinstance(patience, int) and patience > 0 else _TIMEOUT_MS) / 1000,
            check=False,
            creationflags=NO_WINDOW,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() or None if done.returncode == 0 else None
