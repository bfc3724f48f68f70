"""Commands that only look: not a byte and not a time of the home changes, and nobody is kept out by them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cfp.layout import Layout
from journal import Journal, RealFs
from tests.end_to_end.harness import Machine, api_key_login

LOOKING = (
    ("status",),
    ("doctor",),
    ("verify-upstream",),
    ("verify-upstream", "--service-tier-policy", "preserve", "--service-tier", "flex"),
    ("install", "--dry-run"),
    ("prepare-chatgpt-login",),
    ("recover", "--dry-run"),
    ("journal", "list"),
    ("check-update",),
)
# The worker writes its own log when it is asked, and `verify-upstream` the evidence about the provider's tiers.
_OF_THE_WORKER = "fast_proxy."


def seen(home: Path) -> dict[str, tuple[int, int, bytes]]:
    folder = Layout(home).worker
    return {
        str(path.relative_to(home)): (
            0 if path == folder else path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (home, *home.rglob("*"))
        if not path.name.startswith(_OF_THE_WORKER)
    }


@pytest.mark.parametrize("enabled", [False, True])
def test_nothing_is_written_or_locked(machine: Machine, enabled: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """On a home without us and on an enabled one, also while another command holds the lock."""
    machine.environ["PATH"] = os.defpath  # the real Codex would write databases of its own
    machine.relay()
    machine.write("auth.json", api_key_login())
    if enabled:
        machine.install()
    before = seen(machine.home)
    for words in LOOKING:
        ran = machine.cfp(*words)
        assert ran.code in {0, 2}, ran.transcript
        assert before == seen(machine.home), words
    if enabled:
        journal = Journal(Layout(machine.home).journal, fs=RealFs(), formats={}, processes=None)
        with journal.acquire(command="test", timeout=5):
            for words in LOOKING[:3]:
                assert "busy" not in machine.cfp(*words).stdout, words
