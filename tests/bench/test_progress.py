"""The progress lines of a run on a terminal and in a file."""

from __future__ import annotations

import io
import os

import pytest

from cfp.bench.progress import progress_on
from cfp.bench.timed_request import ErrorType, Phase
from cfp.bench.workload import Tier
from tests.bench.support import FIRST, a_sample


def test_plain_lines() -> None:
    """Elapsed time, pair, tier and phase on each line; a sample's line tells its times or why it failed."""
    stream, ticks = io.StringIO(), iter([10.0, 10.0, 11.25, 80.5])
    with progress_on(stream, 2, clock=lambda: next(ticks)) as progress:
        progress.phase(FIRST, Phase.WAITING)
        progress.finished(a_sample(1, Tier.DEFAULT, 1234.0, first_output_ms=400.0))
        progress.finished(a_sample(2, Tier.PRIORITY, None, status=400, error_type=ErrorType.HTTP))
    assert [
        "[   0.0 s] pair 1/2, default: waiting for the provider",
        "[   1.2 s] pair 1/2, default: done in 1.2 s, first output after 0.4 s",
        "[  70.5 s] pair 2/2, priority: failed, HTTPError (400)",
    ] == stream.getvalue().splitlines()


@pytest.mark.posix("a pseudo-terminal")
def test_a_terminal_sees_it_move() -> None:
    """On a terminal there is one moving line with pair, tier, phase and time, and a line that stays per sample."""
    leader, follower = os.openpty()
    with os.fdopen(follower, "w", encoding="utf-8") as terminal, progress_on(terminal, 3) as progress:
        progress.phase(FIRST, Phase.WAITING)
        progress.finished(a_sample(1, Tier.DEFAULT, 1234.0))
        progress.phase(FIRST, Phase.WRITING)
    shown = b""
    try:
        while part := os.read(leader, 65536):
            shown += part
    except OSError:  # EIO: the other side is closed (Linux)
        pass
    finally:
        os.close(leader)
    assert b"pair 1/3, default: done in 1.2 s" in shown
    assert b"pair 1/3, default: writing" in shown
    assert b"0:00:0" in shown
    assert b"\x1b[?25h" in shown  # the cursor is back
