"""Misused flags: each is refused with one sentence, and nothing changes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cfp.cli import Streams, main
from cfp.errors import Refused
from cfp.proxy.worker.command_line import main as serve
from tests.end_to_end.harness import relay_config
from tests.users import of_user

UPSTREAM = "https://relay.example/v1"


def run(home: Path, *argv: str) -> tuple[int, dict[str, Any]]:
    """Run one command line in this process; return its exit code and its JSON object."""
    out = io.StringIO()
    code = main([*argv, "--codex-home", str(home)], of_user(home.parent), Streams(out=out, err=io.StringIO()))
    return code, json.loads(out.getvalue())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a Codex home without the proxy."""
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
def test_an_empty_or_invalid_value_is_refused(home: Path, flag: str, value: str, code: str) -> None:
    """A flag's value is never silently replaced by the saved one or the default."""
    before = sorted(home.rglob("*"))
    exit_code, answer = run(home, "install", "--start", f"{flag}={value}")
    assert (2, code) == (exit_code, answer["code"])
    assert before == sorted(home.rglob("*"))


@pytest.mark.parametrize(
    "words", [("--api-key", "sk-canary-1234"), ("--port", "sk-canary-1234"), ("sk-canary-1234",)]
)
def test_a_key_on_the_command_line_is_not_repeated(home: Path, words: tuple[str, ...]) -> None:
    """No flag takes a key; an answer never repeats one from the command line."""
    code, answer = run(home, "install", "--start", *words)
    assert (2, "usage") == (code, answer["code"])
    assert "canary" not in json.dumps(answer)


@pytest.mark.parametrize("words", [["--bogus"], ["--quiet", "--bogus"], ["--codex-home"]])
def test_the_hook_never_fails_its_session(words: list[str]) -> None:
    """Autostart exits 0 whatever is wrong, and with --quiet it prints nothing."""
    out = io.StringIO()
    code = main(["autostart", *words], of_user("/nowhere"), Streams(out=out, err=io.StringIO()))
    assert 0 == code
    assert ("--quiet" in words) == (out.getvalue() == "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "usage"),
        (["--port", "x", "--upstream-base", "https://a.example"], "usage"),
        (["--codex-home", "/nonexistent", "--upstream-base", "https://a.example"], "codex_home_missing"),
    ],
)
def test_serve_reports_errors_of_its_own_command_line(words: list[str], code: str) -> None:
    """The error of a flag names no saved file."""
    with pytest.raises(Refused) as refused:
        serve(words)
    assert code == refused.value.code


@pytest.mark.posix("named pipes in folders")
def test_a_pipe_in_the_place_of_a_file_is_refused(home: Path) -> None:
    """Reading a pipe would never end."""
    (home / "config.toml").unlink()
    os.mkfifo(home / "config.toml")
    code, answer = run(home, "install", "--start")
    assert (2, "record_unreadable") == (code, answer["code"])
    assert "pipe" in answer["error"]
