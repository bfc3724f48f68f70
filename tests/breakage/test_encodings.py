"""A terminal or pipe of an old code page, and a home with letters that it lacks: the answer is there all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cfp.hook import stop_answer
from cfp.layout import Layout
from cfp.messages.diagnoses import HOOK_STOPS
from tests.end_to_end.harness import relay_config
from tests.users import of_user

# The hook's and the worker's -I ignores PYTHONIOENCODING; on Windows a pipe has the code page of the system.
_PROGRAM = """
import sys
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding=sys.argv[1])
del sys.argv[1]
from codex_fast_proxy import main
sys.exit(main())
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "Jörg Łukasz 中文" / ".codex"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(relay_config("https://relay.example/v1"), encoding="utf-8")
    return folder


def run(encoding: str, *words: str, home: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, encoding, *words, "--codex-home", str(home)],
        env={**os.environ, **of_user(home.parents[1])},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252"])
def test_an_answer_is_utf8(home: Path, encoding: str) -> None:
    """Each command's JSON names the home as it is, whether the command succeeds or refuses."""
    done = run(encoding, "doctor", home=home)
    assert str(home) in json.dumps(json.loads(done.stdout.decode()), ensure_ascii=False).replace("\\\\", "\\")
    refused = run(encoding, "start", home=home)
    answer = json.loads(refused.stdout.decode())
    assert (2, "settings_missing", b"") == (refused.returncode, answer["code"], refused.stderr)
    assert str(home) in answer["next_user_action"]


@pytest.mark.parametrize("encoding", ["cp437", "cp1252"])
def test_a_page_for_people_is_utf8(home: Path, encoding: str) -> None:
    """It has frames and signs besides."""
    done = run(encoding, "status", "--format", "text", home=home)
    assert (0, b"") == (done.returncode, done.stderr)
    assert done.stdout.decode()


def test_the_hooks_answer_needs_no_encoding(home: Path) -> None:
    """Every code page has ASCII; Codex reads the JSON, with the home in it."""
    answer = stop_answer(HOOK_STOPS["stop_out_of_time"], Layout(home), of_user(home.parents[1]))
    assert answer.isascii()
    assert str(home) in json.loads(answer)["stopReason"]
