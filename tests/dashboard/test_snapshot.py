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
from cfp.core.tiers.history import parse_history, serialise_history
from cfp.layout import Layout
from cfp.proxy.dashboard.snapshot import Snapshot, SnapshotCache, take_snapshot
from tests.core.test_traffic import AT
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
        ('{"confidence_interval": 1}', None),
        ('{"confidence_interval": {"low": 1}}', None),
        ('{"observed_speedup_total": "1.4"}', None),
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


def test_the_newest_benchmarks_come_first(tmp_path: Path) -> None:
    """Of the history the page gets the newest runs, newest first, and none of a file that is none."""
    layout = Layout(tmp_path)
    layout.worker.mkdir(parents=True)
    runs: tuple[dict[str, Any], ...] = ()
    for number in range(30):
        layout.benchmark_history.write_bytes(serialise_history(runs, {"ts": str(number), "model": "m" * 9000}))
        runs = tuple(map(dict, parse_history(layout.benchmark_history.read_bytes())))
    shown = take_snapshot(layout, {}, HEALTH, "code").benchmark_runs
    assert [str(number) for number in range(29, 9, -1)] == [run["ts"] for run in shown]
    assert {500} == {len(run["model"]) for run in shown}
    odd = {"ts": "later", "observed_speedup_total": [1.4]}
    layout.benchmark_history.write_bytes(serialise_history(runs, odd))
    assert "29" == take_snapshot(layout, {}, HEALTH, "code").benchmark_runs[0]["ts"]
    layout.benchmark_history.write_bytes(b"[")
    assert () == take_snapshot(layout, {}, HEALTH, "code").benchmark_runs


def test_changes_of_the_users_files_are_listed(tmp_path: Path) -> None:
    """The journal's entries with the names of files that are not ours, newest first; ours alone are no change."""
    layout = Layout(tmp_path)
    layout.journal.mkdir()
    changes = [
        ("install", [layout.config, layout.settings, layout.hooks]),
        ("benchmark", [layout.benchmark_history]),
        ("install", [tmp_path.parent / "dotfiles.toml"]),
        *[("uninstall", [layout.config])] * 7,
    ]
    lines = [
        {
            "id": f"tx{number}",
            "at": AT.isoformat(),
            "command": command,
            "files": [{"path": str(path)} for path in paths],
        }
        for number, (command, paths) in enumerate(changes)
    ]
    (layout.journal / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = take_snapshot(layout, {}, HEALTH, "code").transactions
    assert [f"tx{number}" for number in range(9, 1, -1)] == [change["id"] for change in shown]
    assert [[str(tmp_path.parent / "dotfiles.toml")], ["config.toml"]] == [shown[-1]["files"], shown[0]["files"]]
    (layout.journal / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))
    assert [["config.toml", "hooks.json"]] == [
        change["files"] for change in take_snapshot(layout, {}, HEALTH, "code").transactions
    ]


def test_listening_needs_nothing_of_the_page() -> None:
    """Listening imports nothing of the dashboard, which the first browser request loads."""
    code = "import sys, cfp.proxy.worker.process; print([name for name in sys.modules if 'dashboard' in name])"
    process = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == process.stdout
