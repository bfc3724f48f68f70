"""The command that starts this program by itself, whatever the caller's environment and folder hold.

Codex starts the hook with its own environment, in the folder of the session, and outside of its sandbox. Python reads
some fifty variables: PYTHONPATH alone, with an empty entry, makes every module of that folder part of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Python 3.11 to 3.13 read these despite -I and search the folder that they name for the packages of an environment.
READ_DESPITE_I: Final = ("PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")

# The name of the shell that holds a worker's listener and starts the worker again (sh -c SCRIPT NAME).
SENTINEL: Final = "codex-fast-proxy-sentinel"

# Python does as without -S, but with that base: -E does not keep `site` from reading PYTHONUSERBASE.
_WITH_USER_SITE: Final = "import site, sys; site.USER_BASE = sys.argv[1]; site.main(); "
_MAIN: Final = "del sys.argv[:3]; from codex_fast_proxy import main; sys.exit(main())"


def program_words(python: str, user_base: str) -> tuple[str, ...]:
    """Return the words that start this program; a verb follows them.

    -I ignores every PYTHON* variable, the current folder and the user's site. Where the program is installed in the
    user's site (`user_base` is not empty), that site is needed: `-E -P` ignores the rest. Both forms end with `-m
    codex_fast_proxy`, by which hooks and workers are recognized; behind -c these are arguments like any others.
    """
    if not user_base:
        return (python, "-I", "-m", "codex_fast_proxy")
    return (*isolated_code(python, user_base, _MAIN), "-m", "codex_fast_proxy")


def program_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that `program_words` or `isolated_code` starts."""
    return {name: value for name, value in environ.items() if name not in READ_DESPITE_I}


def isolated_code(python: str, user_base: str, code: str) -> tuple[str, ...]:
    """Return the words that run a few statements in the interpreter that `program_words` starts."""
    if not user_base:
        return (python, "-I", "-c", code)
    return (python, "-E", "-P", "-S", "-c", _WITH_USER_SITE + code, user_base)
