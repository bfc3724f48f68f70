"""A trial of the interpreter that hook and worker will run in: whether it finds this program and its dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from cfp.core.program import isolated_code, program_environ
from cfp.host.system.windows import NO_WINDOW

# The modules of the packages that pyproject.toml requires; a test holds the two together.
DEPENDENCIES: Final = (
    *("transitions", "tomlkit", "httpx", "structlog", "httptools", "msgspec", "filelock", "psutil", "truststore"),
    *("python_socks", "rich", *(() if sys.version_info >= (3, 14) else ("backports.zstd",))),
)
_SECONDS: Final = 20.0
# Found and not imported: importing them all takes half a second. JSON is ASCII, whatever the path and the locale.
_FIND: Final = """\
import importlib.util, json, sys
import cfp, codex_fast_proxy, journal
lacking = [name for name in sys.argv[-1].split() if importlib.util.find_spec(name) is None]
print(json.dumps([cfp.__path__[0], journal.__file__, lacking]))
"""


def import_error(python: str, user_base: str, package: str) -> str:
    """Return the reason why that interpreter would not run the program in `package`; "" where it would.

    It is started as `program_words` does. What this process owes to PYTHONPATH or the current folder shows here.
    """
    words = (*isolated_code(python, user_base, _FIND), " ".join(DEPENDENCIES))
    try:
        done = try_interpreter(words, _SECONDS)
    except subprocess.TimeoutExpired:
        return "it did not answer"
    except OSError as error:
        return error.strerror or str(error)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or [f"it exited with code {done.returncode}"])[-1]
    try:
        place, module, lacking = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, TypeError, ValueError):
        return "its answer cannot be read"
    if os.path.realpath(place) != os.path.realpath(package):
        return f"it finds another copy in {place}"
    if os.path.realpath(module) != os.path.realpath(os.path.join(package, os.pardir, "journal", "__init__.py")):  # noqa: PTH118  text
        return f"it takes {module} for the module journal of this program"
    return f"it does not find {', '.join(lacking)}" if lacking else ""


def try_interpreter(words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command of this program's as Codex would start it, without input, and return its output.

    Raises OSError where it cannot be run, subprocess.TimeoutExpired where it does not end in time.
    """
    return subprocess.run(
        words,
        env=program_environ(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
        creationflags=NO_WINDOW,
    )
