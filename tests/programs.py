"""Stand-ins for programs, written in Python and started by their own names: a script, or an .exe on Windows."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

from tests.systems import WINDOWS


def write_program(path: Path, source: str) -> Path:
    """Write a program that runs this Python source, and return its path: on Windows that of an .exe.

    The .exe is pip's launcher for scripts, as codex-fast-proxy.exe is: it starts the interpreter, and passes its exit
    code on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not WINDOWS:
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)
        return path
    from pip._vendor import distlib  # noqa: PLC0415  on Windows only

    script = io.BytesIO()
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("__main__.py", source)
    launcher = Path(distlib.__file__).with_name("t64.exe").read_bytes()
    program = path.with_suffix(".exe")
    program.write_bytes(launcher + f"#!{sys.executable}\r\n".encode() + script.getvalue())
    return program
