"""The cache of the snapshot, and a worker's snapshot of its own home."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cfp.core.diagnosis import diagnose
from cfp.layout import Layout
from cfp.proxy.dashboard.snapshot import Snapshot, SnapshotCache, take_snapshot
from tests.proxy.support import asynchronous

HEALTH = {"host": "127.0.0.1", "port": 8787, "codex_home": "", "runtime_id": "code", "ok": True}


@asynchronous
async def test_files_are_read_again_only_where_one_changed(tmp_path: Path) -> None:
    """For two seconds no file is checked; then their stats, and the files only where a stat changed."""
    now = 0.0
    looks: list[Snapshot] = []

    def take(*_: object) -> Snapshot:
        looks.append(Snapshot(interrupted=(str(len(looks)),)))
        return looks[-1]

    layout = Layout(tmp_path)
    lookout = SnapshotCache(layout, {}, seconds=lambda: now, take=take)
    assert ("0",) == (await lookout.current(HEALTH)).interrupted
    layout.config.write_text("")
    assert ("0",) == (await lookout.current(HEALTH)).interrupted
    now = 2.5
    assert ("1",) == (await lookout.current(HEALTH)).interrupted
    now = 5.0
    assert ("1",) == (await lookout.current(HEALTH)).interrupted
    now = 7.5
    assert ("2",) == (await lookout.current({**HEALTH, "upstream_api_key_available": False})).interrupted
    assert 3 == len(looks)


def test_a_worker_knows_its_home(tmp_path: Path) -> None:
    """A worker that serves by hand from an empty home: not enabled, and nothing else to report."""
    snapshot = take_snapshot(Layout(tmp_path), {}, HEALTH, "code")
    assert ("not_enabled", (), None) == (diagnose(snapshot.facts).code, snapshot.interrupted, snapshot.benchmark)


def test_an_interrupted_command_comes_first(tmp_path: Path) -> None:
    """An interrupted command comes before any other diagnosis."""
    layout = Layout(tmp_path)
    layout.journal.mkdir()
    (layout.journal / "20260102T030405Z-0123abcd.open").write_text("")
    snapshot = take_snapshot(layout, {}, HEALTH, "code")
    assert ("interrupted", ("20260102T030405Z-0123abcd",)) == (diagnose(snapshot.facts).code, snapshot.interrupted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"verdict": "faster", "samples": [1], "pairs": 3}), {"pairs": 3, "verdict": "faster"}),
        ("[]", None),
        ('{"verdict": ', None),
        ("[" * 100_000, None),
        ('{"verdict": "faster", "x": "' + "x" * (1 << 20) + '"}', None),
    ],
)
def test_a_saved_benchmark_is_shown_without_samples(
    tmp_path: Path, text: str, expected: Mapping[str, Any] | None
) -> None:
    """The page gets a benchmark without its samples, and none that cannot be parsed."""
    layout = Layout(tmp_path)
    layout.worker.mkdir(parents=True)
    layout.benchmark.write_text(text)
    assert expected == take_snapshot(layout, {}, HEALTH, "code").benchmark


def test_listening_needs_nothing_of_the_page() -> None:
    """Listening imports nothing of the dashboard, which the first browser request loads."""
    code = "import sys, cfp.proxy.worker.process; print([name for name in sys.modules if 'dashboard' in name])"
    process = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == process.stdout
