"""The processes beside a worker: only those that its sentinel explains are ended, and none of another home."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfp.core.program import SENTINEL
from cfp.host.worker.discovery import revived_workers
from cfp.host.worker.shutdown import end_sentinels
from cfp.layout import Layout

pytestmark = pytest.mark.posix("sentinels", needs="linux")


@contextmanager
def waiting(name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A shell with these words that waits for the end of its input."""
    with subprocess.Popen(["/bin/sh", "-c", "read -r _", name, *words], stdin=subprocess.PIPE) as process:
        yield process


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "home").mkdir()
    (tmp_path / "other").mkdir()
    return Layout(tmp_path / "home")


def test_a_sentinel_is_ended_by_its_nonce(layout: Layout) -> None:
    """One with another nonce, of another home, or that only looks alike, lives on."""
    home, other = ("--codex-home", str(layout.home)), ("--codex-home", str(layout.home.with_name("other")))
    with (
        waiting(SENTINEL, "0", *home, "--nonce", "ab12") as ours,
        waiting(SENTINEL, "0", *home, "--nonce", "cd34") as another,
        waiting(SENTINEL, "0", *other, "--nonce", "ab12") as of_the_original,
        waiting("sh", SENTINEL, *home, "--nonce", "ab12") as stranger,
    ):
        end_sentinels("ab12", layout)
        assert -9 == ours.wait(5)
        assert [None] * 3 == [process.poll() for process in (another, of_the_original, stranger)]


def test_only_a_revived_worker_is_found_by_its_nonce(layout: Layout) -> None:
    """Any other worker is known to the journal by its process, and proven by its start."""
    home, other = ("--codex-home", str(layout.home)), ("--codex-home", str(layout.home.with_name("other")))
    with (
        waiting("sh", *home, "--nonce", "ab12", "--revivals", "1") as revived,
        waiting("sh", *home, "--nonce", "ab12"),
        waiting("sh", *home, "--nonce", "cd34", "--revivals", "1"),
        waiting("sh", *other, "--nonce", "ab12", "--revivals", "1"),
        waiting(SENTINEL, "1", *home, "--nonce", "ab12", "--revivals", "1"),
    ):
        assert [revived.pid] == revived_workers("ab12", layout)


def test_without_a_nonce_nothing_is_found(layout: Layout) -> None:
    """The worker of 0.1.0 has none."""
    with waiting(SENTINEL, "0", "--codex-home", str(layout.home), "--nonce", "") as process:
        end_sentinels("", layout)
        assert process.poll() is None
