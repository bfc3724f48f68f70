"""argv -> command -> one JSON object on stdout -> exit code."""

from __future__ import annotations


def run() -> int:
    """Run one command line and return its exit code."""
    return 0
