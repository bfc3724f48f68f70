"""The real program behind the script that npm, or a tool like it, writes for Codex.

`codex.cmd` starts node on `@openai/codex/bin/codex.js`, which starts codex.exe of the package for this processor.
A script of cmd cannot be given every word safely, and neither it nor node ends with its caller. So codex.exe is
started.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# The script's path of codex.js, from its own folder: %~dp0 or, as npm has it, a variable of that value.
_LINE: Final = re.compile(
    r"%~?dp0%?[\\/]?(?P<path>[^\"%\r\n]*@openai[\\/]codex[\\/]bin[\\/]codex\.js)", re.IGNORECASE
)
_MOST: Final = 65_536  # bytes of a script that are read
_X64, _ARM64 = ("win32-x64", "x86_64-pc-windows-msvc"), ("win32-arm64", "aarch64-pc-windows-msvc")


def native_program(script: Path, machine: str | None = None) -> Path | None:
    """Return the codex.exe that a script of cmd starts by way of node; None for any other file.

    machine  the processor as Windows names it; None: this one
    """
    if script.suffix.lower() not in {".cmd", ".bat"}:
        return None
    try:
        with script.open("rb") as file:
            text = file.read(_MOST).decode(errors="replace")
    except OSError:
        return None
    match = _LINE.search(text)
    if match is None:
        return None
    parts = re.split(r"[\\/]", match["path"])
    code = Path(os.path.realpath(script.parent.joinpath(*filter(None, parts))))
    package = code.parent.parent
    kinds = (_ARM64, _X64) if (machine or platform.machine()).lower() == "arm64" else (_X64, _ARM64)
    places = (place for kind in kinds for place in _places(package, *kind))
    return next((place for place in places if place.is_file()), None)


def _places(package: Path, kind: str, target: str) -> Iterator[Path]:
    """Yield the paths of codex.exe as codex.js looks for it: its package for the processor, else itself."""
    for folder in (package, *package.parents):
        modules = folder if folder.name == "node_modules" else folder / "node_modules"
        yield from _in_vendor(modules / "@openai" / f"codex-{kind}", target)
    yield from _in_vendor(package, target)


def _in_vendor(package: Path, target: str) -> Iterator[Path]:
    vendor = package / "vendor" / target
    yield vendor / "bin" / "codex.exe"
    yield vendor / "codex" / "codex.exe"  # before 0.135
