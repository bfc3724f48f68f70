"""Opens a page in the user's browser, which then has nothing of ours: no output, no input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Final

_SECONDS: Final = 10.0
_SCREENS: Final = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def open_page(url: str, environ: Mapping[str, str], python: str = sys.executable) -> bool:
    """Return whether a browser has taken it.

    Without a screen there are only browsers for terminals, which would take this one. Another process asks, because
    what browsers print would else end up on our stdout.
    """
    if sys.platform.startswith("linux") and not any(environ.get(name) for name in _SCREENS):
        return False
    silent = subprocess.DEVNULL
    try:
        asked = subprocess.run(
            [python, "-P", "-c", _OPEN, url],
            env=dict(environ),
            stdin=silent,
            stdout=silent,
            stderr=silent,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True  # some are waited for until they are closed
    except OSError:
        return False
    return asked.returncode == 0
