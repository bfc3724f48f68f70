"""The version of the Codex that used a home last, read from the home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cfp.host.disk import DISK
from cfp.host.session_version import version_of_home
from cfp.layout import Layout


def session(home: Path, day: str, version: str, before: str = "") -> None:
    path = home / "sessions" / day / f"rollout-{day.replace('/', '-')}T00-00-00-x.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "type": "session_meta",
        "payload": {"cwd": before, "cli_version": version, "base_instructions": "x" * 90_000},
    }
    path.write_text(json.dumps(line) + "\n" + '{"cli_version": "9.9.9"}\n')


def test_the_newest_session_counts(tmp_path: Path) -> None:
    """By its date, whatever was written last; version.json counts without one."""
    assert version_of_home(Layout(tmp_path), DISK) is None
    (tmp_path / "version.json").write_text('{"latest_version": "0.128.1", "last_checked_at": "x"}')
    assert (0, 128, 1) == version_of_home(Layout(tmp_path), DISK)
    session(tmp_path, "2026/11/29", "0.171.0-alpha.2")
    session(tmp_path, "2026/02/03", "0.124.0")
    assert (0, 171, 0) == version_of_home(Layout(tmp_path), DISK)
    (tmp_path / "sessions" / "2026" / "11" / ".DS_Store").write_text("x")
    assert (0, 171, 0) == version_of_home(Layout(tmp_path), DISK)


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"latest_version": null}', '{"latest_version": "new"}'])
def test_files_that_tell_nothing(tmp_path: Path, text: str) -> None:
    """Are no version."""
    (tmp_path / "version.json").write_text(text)
    (tmp_path / "sessions" / "2026").mkdir(parents=True)
    assert version_of_home(Layout(tmp_path), DISK) is None
    session(tmp_path, "2026/11/29", "of my own")
    assert version_of_home(Layout(tmp_path), DISK) is None


def test_a_folder_in_a_session_s_place(tmp_path: Path) -> None:
    """Is no session."""
    (tmp_path / "sessions" / "2026" / "11" / "29" / "rollout-x.jsonl").mkdir(parents=True)
    assert version_of_home(Layout(tmp_path), DISK) is None
