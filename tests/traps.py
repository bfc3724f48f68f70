"""A folder in which every module that our program could import is a trap, and every variable that Python reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from cfp.core.program import READ_DESPITE_I
from cfp.host.system.isolation import DEPENDENCIES
from tests.systems import WINDOWS

OURS = ("cfp", "codex_fast_proxy", "journal")
_START = ("sitecustomize", "usercustomize", "encodings")  # imported by Python itself as it starts
_VARIABLE = re.compile(rb"PYTHON[A-Z0-9_]+|__PYVENV_LAUNCHER__")
_QUOTED = re.compile(rb"""["'](PYTHON[A-Z0-9_]+)["']""")


class Traps:
    """A folder of modules each of which writes its name into a file and raises."""

    def __init__(self, root: Path, *, spare: frozenset[str] = frozenset()) -> None:
        self.folder = root / "traps"
        self._sprung = root / "sprung"
        self.folder.mkdir(parents=True)
        packages = {name.partition(".")[0] for name in DEPENDENCIES}
        for name in {*sys.stdlib_module_names, *_START, *packages, *OURS} - spare:
            (self.folder / f"{name}.py").write_text(f"{self._record(name)}\nraise ImportError({name!r})\n")
        # The folder is an environment, too, for the variables that name an interpreter.
        site = self.folder / ("Lib" if WINDOWS else f"lib/python3.{sys.version_info.minor}") / "site-packages"
        site.mkdir(parents=True)
        (self.folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
        (site / "trap.pth").write_text(f"{self._record('trap.pth')}\n")

    def _record(self, name: str) -> str:
        """Return the statement that writes the name; `open` would need `encodings`, which is a trap itself."""
        flags = "p.O_WRONLY | p.O_APPEND | p.O_CREAT"
        opened = f"p.open({str(self._sprung)!r}, {flags}, 0o600)"
        return f"import {os.name} as p; p.write({opened}, {name.encode() + b' '!r})"

    @property
    def sprung(self) -> str:
        """The names of the traps that were imported."""
        return self._sprung.read_text() if self._sprung.exists() else ""


@cache
def variables() -> tuple[str, ...]:
    """Return the PYTHON* variables that this Python knows: from its help, its binary and its library.

    On Windows without those that Python reads despite -I: a hook's line cannot unset them there.
    """
    helped = subprocess.run([sys.executable, "--help-env"], capture_output=True, check=True).stdout
    library = Path(sysconfig.get_path("stdlib"))
    if WINDOWS:
        shared = Path(sys.base_prefix) / f"python3{sys.version_info.minor}.dll"
    else:
        shared = Path(sysconfig.get_config_var("LIBDIR") or "/") / (sysconfig.get_config_var("INSTSONAME") or "none")
    binaries = [path for path in (Path(sys.executable).resolve(), shared) if path.is_file()]
    sources = [*library.glob("*.py"), *(library / "asyncio").glob("*.py"), *(library / "importlib").glob("*.py")]
    names = set(_VARIABLE.findall(helped))
    for path in binaries:
        names.update(_VARIABLE.findall(path.read_bytes()))
    for path in sources:
        names.update(_QUOTED.findall(path.read_bytes()))
    return tuple(sorted({name.decode() for name in names}.difference(READ_DESPITE_I if WINDOWS else ())))


def hostile(name: str, folder: Path) -> dict[str, str]:
    """Return a value of that variable that leads into the folder or stops Python."""
    python = str(folder / "bin" / "python")
    special = {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2", "PYTHONEXECUTABLE": python}
    return {name: {**special, "__PYVENV_LAUNCHER__": python}.get(name, str(folder))}


def all_hostile(folder: Path) -> dict[str, str]:
    """Return all of them together, but for those that would take the edge off others."""
    dull = {"PYTHONSAFEPATH", "PYTHONNOUSERSITE"}
    return {key: value for name in variables() if name not in dull for key, value in hostile(name, folder).items()}
