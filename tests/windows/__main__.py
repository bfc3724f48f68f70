"""`python -m tests.windows missing` says what this machine lacks, `build REQUIREMENT...` makes the interpreter,
`run [PYTEST ARGUMENT...]` installs the wheel on it as a user does, and runs the demo and the tests.

`here` puts the checkout as it is in place of the wheel, for work on it; `python ARGUMENT...` runs the interpreter.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.windows import wine
from tests.windows.toolchain import CACHE, CODEX, PREFIX, PYTHON, REPOSITORY, SITE_PACKAGES, build, missing

# What only Windows needs of the packages' own dependencies; `pip` makes codex-fast-proxy.exe as for a user.
_ON_WINDOWS = ("colorama", "tzdata", "pip")
_TESTS_FAILED = 1  # pytest's exit code; others say that it could not run them
_HERE = SITE_PACKAGES / "here.pth"
_SCRIPT = PYTHON.parent / "Scripts" / "codex-fast-proxy.exe"


def _program(*words: str) -> int:
    return wine.run(PREFIX, words, env={"CFP_TEST_CODEX": _seen(CODEX)})


def _python(*words: str) -> int:
    return _program(str(PYTHON), *words)


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


def _run(arguments: list[str]) -> int:
    """Install, try and test it; the prefix ends with this, however it ends."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        wine.boot(PREFIX)
        _install_wheel()
        if _program(str(_SCRIPT), "demo"):
            sys.exit("the demo failed on Windows")
        _use_the_checkout()  # the tests are no part of the wheel, and must find the same package as what they start
        return _test(arguments)
    finally:
        wine.end(PREFIX)


def _test(arguments: list[str]) -> int:
    """Run the tests on every core, and those that failed once more, alone.

    Wine's server is one thread that every program waits for: beside others, a test with a limit of time can miss it.
    The second run says which ones these were.
    """
    at_once = str(1 + (os.cpu_count() or 1))
    pytest = ("-m", "pytest", "-o", f"cache_dir={_seen(CACHE / 'pytest')}", "--durations=10", *arguments)
    code = _python(*pytest, "-n", at_once, "--dist", "worksteal")
    if code != _TESTS_FAILED:
        return code
    sys.stdout.write("\nThe tests that failed, once more and alone:\n")
    return _python(*pytest, "-v", "--last-failed")


def _use_the_checkout() -> None:
    for folder in ("cfp", "journal"):
        shutil.rmtree(SITE_PACKAGES / folder, ignore_errors=True)
    (SITE_PACKAGES / "codex_fast_proxy.py").unlink(missing_ok=True)
    _HERE.write_text(_seen(REPOSITORY) + "\n")


def main(words: list[str]) -> int:
    what, *rest = words
    match what:
        case "missing":
            sys.stdout.write("; ".join(missing()))
        case "build":
            build([*rest, *_ON_WINDOWS])
        case "here":
            _use_the_checkout()
        case "run":
            return _run(rest)
        case "python":
            wine.boot(PREFIX)
            return _python(*rest)
        case _:
            sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
