"""Opens a page in the user's browser, which gets neither our input nor our output."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

_SECONDS: Final = 10.0
_SCREENS: Final = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def open_page(url: str, environ: Mapping[str, str], python: str = sys.executable) -> bool:
    """Return whether a browser opened the page.

    Without a screen there are only text browsers, which would take over the terminal. A process of its own starts
    the browser, because the browser's output would end up on our stdout otherwise.
    """
    if sys.platform.startswith("linux") and not any(environ.get(name) for name in _SCREENS):
        return False
    silent = subprocess.DEVNULL
    try:
        opener = subprocess.run(
            [python, "-I", "-S", "-c", _OPEN, url],
            env=dict(environ),
            stdin=silent,
            stdout=silent,
            stderr=silent,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True  # some commands return only when the browser is closed
    except OSError:
        return False
    return opener.returncode == 0
