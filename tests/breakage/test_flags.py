"""Flags used wrongly: refused in a sentence, with nothing touched."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cfp.cli import Streams, main
from tests.end_to_end.harness import relay_config

UPSTREAM = "https://relay.example/v1"


def run(home: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    """Run one command line in this process; its exit code and its one object."""
    out = io.StringIO()
    code = main([*argv, "--codex-home", str(home)], {"HOME": str(home.parent)}, Streams(out=out, err=io.StringIO()))
    return code, json.loads(out.getvalue())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Codex home that nobody has switched."""
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(relay_config(UPSTREAM))
    return folder


@pytest.mark.parametrize(
    ("flag", "value", "code"),
    [
        ("--port", "0", "invalid_settings"),
        ("--host", "", "host_not_loopback"),
        ("--proxy-base", "", "invalid_settings"),
        ("--service-tier", "", "invalid_settings"),
        ("--provider", "", "unknown_provider"),
        ("--verify-timeout", "nan", "usage"),
        ("--verify-timeout", "0", "usage"),
        ("--verify-timeout", "-1", "usage"),
        ("--verify-timeout", "inf", "usage"),
    ],
)
def test_an_empty_or_senseless_value_is_refused(home: Path, flag: str, value: str, code: str) -> None:
    """A value that was given is never silently replaced by the saved one or the default."""
    before = sorted(home.rglob("*"))
    exit_code, told = run(home, "install", "--start", f"{flag}={value}")
    assert (2, code) == (exit_code, told["code"])
    assert before == sorted(home.rglob("*"))


@pytest.mark.parametrize(
    "words", [("--api-key", "sk-canary-1234"), ("--port", "sk-canary-1234"), ("sk-canary-1234",)]
)
def test_a_key_on_the_command_line_is_not_repeated(home: Path, words: tuple[str, ...]) -> None:
    """No flag takes a key; whoever passes one all the same does not find it in the answer."""
    code, told = run(home, "install", "--start", *words)
    assert (2, "usage") == (code, told["code"])
    assert "canary" not in json.dumps(told)
