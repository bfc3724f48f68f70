"""Homes where Windows, or the way to them, promises less than an install needs: refused with every name as it was."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.test_cli import run_command

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="paths of Windows")
CONFIG = b'model_provider = "r"\r\n[model_providers.r]\r\nname = "r"\r\nbase_url = "http://127.0.0.1:9/v1"\r\n'
INSTALLS = (
    ("install", "--start", "--no-verify"),
    ("install", "--prepare-only"),
    ("prepare-chatgpt-login", "--apply"),
)


@pytest.fixture
def deep_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose path has more than 300 characters."""
    home = tmp_path.joinpath(*(40 * letter for letter in "abcdefg"), ".codex")
    home.mkdir(parents=True)
    (home / "config.toml").write_bytes(CONFIG)
    assert len(str(home)) > 300
    yield home
    shutil.rmtree(f"\\\\?\\{tmp_path / ('a' * 40)}")


def test_a_path_that_is_too_long(deep_home: Path) -> None:
    """Refused before anything is written; what only reads, and what undoes, still answers."""
    for words in INSTALLS:
        code, text = run_command(*words, "--codex-home", str(deep_home))
        assert (2, "home_path_too_long") == (code, json.loads(text)["code"])
    for verb, codes in (("status", {0}), ("doctor", {2}), ("uninstall", {0}), ("stop", {0}), ("recover", {0})):
        assert run_command(verb, "--codex-home", str(deep_home))[0] in codes
    assert ["config.toml"] == os.listdir(deep_home)
    assert CONFIG == (deep_home / "config.toml").read_bytes()


@pytest.mark.parametrize(
    ("home", "expected"),
    [
        (r"\\server\share\.codex", "home_on_network"),
        (r"\\?\UNC\server\share\.codex", "home_on_network"),
        (r"\\wsl$\Ubuntu\home\me\.codex", "home_in_wsl"),
        (r"\\wsl.localhost\Ubuntu\home\me\.codex", "home_in_wsl"),
    ],
)
@pytest.mark.parametrize("words", INSTALLS, ids=" ".join)
def test_homes_of_other_machines(home: str, expected: str, words: tuple[str, ...]) -> None:
    """A share is not asked for more than its name, and WSL is not started."""
    code, text = run_command(*words, "--codex-home", home)
    assert (2, expected) == (code, json.loads(text)["code"])
