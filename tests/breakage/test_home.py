"""Codex homes that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.breakage.test_flags import run
from tests.end_to_end.harness import JOURNAL, relay_config
from tests.systems import IN_WINE


@pytest.mark.parametrize("verb", [("recover",), ("journal", "list"), ("install", "--start"), ("stop",)])
def test_a_journal_that_is_a_file_is_named(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """A refusal of the file system is a failure with a path, not a bug."""
    (tmp_path / "config.toml").write_text(relay_config("https://relay.example/v1"))
    (tmp_path / JOURNAL).write_text("mine")
    code, answer = run(tmp_path, *verb)
    assert (2, "storage_failed", str(tmp_path / JOURNAL)) == (code, answer["code"], answer["path"])
    assert ("Invalid argument" if IN_WINE else "Not a directory") in answer["error"]


@pytest.mark.beyond_wine("names that are not Unicode, which files of Linux cannot have")
def test_a_home_whose_path_is_not_unicode_is_refused(tmp_path: Path) -> None:
    """Its path would be written to hooks.json and config.toml, which are UTF-8."""
    home = tmp_path / "\udcff"  # the byte 0xFF on POSIX, half of a surrogate pair on Windows
    home.mkdir()
    (home / "config.toml").write_text(relay_config("https://relay.example/v1"))
    code, answer = run(home, "install", "--start", "--no-verify")
    assert (2, "codex_home_not_text") == (code, answer["code"])
    assert [home / "config.toml"] == list(home.iterdir())
