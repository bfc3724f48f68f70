"""A hook's line as the shells of Windows run it, with interpreter and home in folders of odd names.

Codex calls cmd without /s. Wine's cmd then looks for a program whose name is the whole line, and refuses a line of
more than 260 characters as too long a name; /s says what cmd does with such a line anyway.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cfp.codex.hook_command import windows_line
from cfp.core.program import READ_DESPITE_I, program_words
from tests.test_fastpath import furnish, settings_at, worker
from tests.windows import shells
from tests.windows.powershell import make

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="cmd and PowerShell")

NAMES = (
    "plain",
    "John Smith",
    "R & D (x86)",
    "50% %PATH%",
    "O'Brien \u2019n Co",
    "J\u00f6rg \u4e2d\u6587",
    "a^b c=d",
    "g,h",
    "$HOME` #1 @x {y}",
)


def interpreter(folder: Path) -> Path:
    """A python.exe of its own in this folder, with the library and packages of the one that runs the tests."""
    base = Path(sys.base_prefix)
    folder.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {base}\ninclude-system-site-packages = true\n", encoding="utf-8")
    for pattern in ("python.exe", "*.dll"):
        for path in base.glob(pattern):
            shutil.copy(path, folder)
    return folder / "python.exe"


@pytest.mark.parametrize("name", NAMES)
def test_every_shell_starts_the_hook(tmp_path: Path, name: str) -> None:
    """The hook asks the worker of its home, once for each way in which Codex calls a shell, and says nothing."""
    python = interpreter(tmp_path / name / "python")
    home = tmp_path / name / "home"
    pwsh, powershell = (make(tmp_path / "bin" / f"{each}.exe") for each in ("pwsh", "powershell"))
    words = (*program_words(str(python), ""), "autostart", "--codex-home", str(home), "--quiet")
    line = windows_line(words, powershell, unset=READ_DESPITE_I)
    answer: dict[str, object] = {"ok": True, "pid": 1, "nonce": "ab", "codex_home": str(home)}
    requests: list[str] = []
    with worker(answer, requests) as port:
        settings = settings_at(port)
        answer |= settings.to_json()
        furnish(home, settings)
        for number, command in enumerate(
            (
                f'"cmd.exe" /s /c "{line}"',
                f"cmd.exe /S /C {shells.escaped(line)}",
                f"{pwsh} -NoProfile -Command {shells.escaped(line)}",
                f"{powershell} -NoProfile -Command {shells.escaped(line)}",
            )
        ):
            ran = subprocess.run(command, cwd=tmp_path, input=b"{}", capture_output=True, timeout=60, check=False)
            assert (0, b"", b"") == (ran.returncode, ran.stdout, ran.stderr), command
            assert number + 1 == len(requests), command


@pytest.mark.parametrize("text", [r"x.exe a^b", r'x.exe "a^b&c" %NONE% d', r"x.exe 100% \"a b\"", r'x.exe "a\\" b'])
def test_the_model_of_cmd_is_wines(tmp_path: Path, text: str) -> None:
    """The command line that a program gets from cmd is the one that the model says."""
    script = tmp_path / "show.py"
    script.write_text("import ctypes; k = ctypes.windll.kernel32; k.GetCommandLineW.restype = ctypes.c_wchar_p\n"
                      "print(k.GetCommandLineW())\n")  # fmt: skip
    text = text.replace("x.exe", f"{sys.executable} {script}")
    ran = subprocess.run(f'"cmd.exe" /c "{text}"', capture_output=True, text=True, timeout=60, check=True)
    assert shells.cmd(f'"{text}"', {}) == ran.stdout.strip()
