"""A stand-in for pwsh.exe and powershell.exe: a program that runs the lines which the model of PowerShell takes.

Wine has no PowerShell. This one is started as the real one is, by Codex or by a hook's line, gets its command line
from Windows, and starts real programs; what it makes of a script is the model's (`tests.windows.shells`).
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.programs import write_program
from tests.windows.shells import escaped, powershell, wrapped

_REPOSITORY = Path(__file__).parent.parent.parent


def make(program: Path) -> str:
    """Write the stand-in as this .exe and return its path."""
    code = f"import sys; sys.path.insert(0, {str(_REPOSITORY)!r}); from tests.windows.powershell import main; main()"
    return str(write_program(program, code))


def run(words: Sequence[str], quote: object) -> int:
    """Run the command line of a PowerShell and return its exit code."""
    assert callable(quote)
    *_, flag, text = words
    script = base64.b64decode(text).decode("utf-16-le") if flag == "-EncodedCommand" else text
    for name in re.findall(r"\$env:(\w+)=\$null; ", script):
        os.environ.pop(name, None)
    code = 0
    for command in powershell(script):
        code = subprocess.run(" ".join(map(quote, command)), check=False).returncode
    return code


def main() -> None:
    sys.exit(run(sys.argv[1:], escaped if "pwsh" in Path(sys.argv[0]).name else wrapped))
