"""A command in a process of its own, and ^C for it, on each system."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.systems import WINDOWS

# Windows sends ^C to all programs of a console alone; so what Python does at one is asked for over a pipe.
_LISTENING = """
import _thread, os, sys, threading
threading.Thread(target=lambda: os.read(0, 1) and _thread.interrupt_main(), daemon=True).start()
from codex_fast_proxy import main
sys.exit(main())
"""
_PROGRAM = ("-c", _LISTENING) if WINDOWS else ("-m", "codex_fast_proxy")


def command(*arguments: str) -> list[str]:
    """Return the words that start a command; its standard input must be a pipe."""
    return [sys.executable, "-P", *_PROGRAM, *arguments]


def interrupt(process: subprocess.Popen[str]) -> None:
    """Let it have a ^C."""
    if WINDOWS:
        assert process.stdin is not None
        process.stdin.write("c")
        process.stdin.flush()
    else:
        process.send_signal(signal.SIGINT)
