"""A key that the user enters: on a terminal without showing it, else the first line of the standard input."""

from __future__ import annotations

import getpass
import sys


def has_user() -> bool:
    """Whether a person at a terminal can be asked: they see the question, and nobody else sees their answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def enter_key() -> str:
    """Return the line without its end; "" where there is no standard input, or nothing in it."""
    if sys.stdin is None:
        return ""
    if sys.stdin.isatty():
        return getpass.getpass("The provider's key (it is not shown): ", stream=sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")
