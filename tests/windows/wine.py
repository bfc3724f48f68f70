"""Run Windows programs under Wine, with pipes as their standard streams.

Two habits of Wine 8 stand behind each function. A standard stream must be a pipe: a file or /dev/null is an invalid
handle to the C runtime of Windows. And services that outlive the program keep its pipes open: its end is its exit,
not the end of its output.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_FOLDERS = ("/usr/lib/wine",)  # Debian puts wine64 and wineserver64 there, outside of PATH
# .NET, a browser, menus of the desktop and devices (their drivers look for new ones each ms): nobody needs them.
_LEFT_OUT = "mscoree,mshtml,winebus.sys,wineusb.sys,winehid.sys=;winemenubuilder.exe=d"
_LAST_OUTPUT = 1.0  # seconds for what the program wrote just before its end


def _program(name: str, which: Callable[[str], str | None] = shutil.which) -> str | None:
    places = (os.path.join(folder, name) for folder in _FOLDERS)  # noqa: PTH118 - `which` takes text
    return next((program for place in (*places, name) if (program := which(place))), None)


def is_installed(which: Callable[[str], str | None] = shutil.which) -> bool:
    """Whether there is a Wine that can run 64-bit programs."""
    return None not in {_program("wine64", which), _program("wineserver64", which)}


def _command(name: str, *words: str) -> list[str]:
    program = _program(name)
    if program is None:
        raise FileNotFoundError(f"{name} is not installed: Debian's wine64 has it")
    return [program, *words]


def environment(prefix: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Windows program: this one, the prefix (its disk and registry), and `more`."""
    ours = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": _LEFT_OUT}
    return {**os.environ, **ours, **(more or {})}


def boot(prefix: Path) -> None:
    """Make a missing prefix, and keep its server running: a program then starts in 0.07 s, not in 2 s.

    Wine's powershell.exe does nothing and calls it a success. Codex would run its hooks by it, so it goes: without a
    PowerShell, Codex takes cmd.
    """
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    is_whole = (prefix / ".update-timestamp").exists()  # the last that wineboot writes
    if not is_whole and prefix.exists():
        end(prefix)
        shutil.rmtree(prefix)
    prefix.mkdir(parents=True, exist_ok=True)
    started = subprocess.run(_command("wineserver64", "-p"), check=False, env=environment(prefix), **quiet)
    if started.returncode == 0:  # 2: it runs already
        run(prefix, ["wineboot", "-i"], stdout=subprocess.PIPE)
    for system in ("system32", "syswow64"):
        (prefix / "drive_c/windows" / system / "WindowsPowerShell/v1.0/powershell.exe").unlink(missing_ok=True)
    _shut_out_the_real_home(prefix)


def _shut_out_the_real_home(prefix: Path) -> None:
    """Put folders where Wine has put links from the user's folders there to those of this machine's user."""
    users = prefix / "drive_c" / "users"
    for path in (*users.glob("*/*"), *users.glob("*/AppData/Roaming/Microsoft/Windows/*")):
        if path.is_symlink():
            path.unlink()
            path.mkdir()


def end(prefix: Path) -> None:
    """End every program of the prefix, and its server."""
    subprocess.run(_command("wineserver64", "-k"), check=False, env=environment(prefix))


def run(
    prefix: Path,
    words: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> int:
    """Run a Windows program to its end and return its exit code; its output goes to ours, unless `stdout` is PIPE."""
    process = subprocess.Popen(
        _command("wine64", *words),
        cwd=cwd,
        env=environment(prefix, env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    source, sink = process.stdout, None if stdout == subprocess.PIPE else sys.stdout.buffer

    def relay() -> None:
        while chunk := os.read(source.fileno(), 65536):
            if sink is not None:
                sink.write(chunk)
                sink.flush()

    relaying = threading.Thread(target=relay, daemon=True)
    relaying.start()
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        raise
    relaying.join(_LAST_OUTPUT)
    return code
