"""`python -m tests.windows build REQUIREMENT...` makes the interpreter, `run [PYTEST ARGUMENT...]` the tests on it.

`here` puts the checkout as it is in place of the wheel, for work on it; `python ARGUMENT...` runs the interpreter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.windows import wine
from tests.windows.toolchain import CODEX, PREFIX, PYTHON, REPOSITORY, SITE_PACKAGES, build

# What only Windows needs of the packages' own dependencies; `pip` makes codex-fast-proxy.exe as for a user.
_ON_WINDOWS = ("colorama", "tzdata", "pip")
_HERE = SITE_PACKAGES / "here.pth"


def _python(*words: str) -> int:
    return wine.run(PREFIX, [str(PYTHON), *words], env={"CFP_TEST_CODEX": _seen(CODEX)})


def _seen(path: Path) -> str:
    """The path as a Windows program sees it."""
    return "Z:" + str(path).replace("/", "\\")


def _install_wheel() -> None:
    """Build the checkout's wheel and install it as a user does: with the pip of the Windows interpreter."""
    _HERE.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        words = (sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(REPOSITORY))
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("*.whl")
        flags = ("-q", "--no-index", "--no-deps", "--force-reinstall", "--no-warn-script-location")
        if _python("-m", "pip", "install", *flags, _seen(wheel)):
            sys.exit("the wheel cannot be installed")


def main(words: list[str]) -> int:
    what, *rest = words
    if what == "build":
        build([*rest, *_ON_WINDOWS])
        return 0
    wine.boot(PREFIX)
    if what == "here":
        for folder in ("cfp", "journal"):
            shutil.rmtree(SITE_PACKAGES / folder, ignore_errors=True)
        (SITE_PACKAGES / "codex_fast_proxy.py").unlink(missing_ok=True)
        _HERE.write_text(_seen(REPOSITORY) + "\n")
        return 0
    if what == "python":
        return _python(*rest)
    _install_wheel()
    at_once = str(1 + (os.cpu_count() or 1))
    return _python("-m", "codex_fast_proxy", "demo") or _python(
        "-m", "pytest", "-n", at_once, "--dist", "worksteal", *rest
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
