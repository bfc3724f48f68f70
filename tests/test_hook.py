"""The hook as a process: one answer, in time, whatever becomes of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import pytest

from cfp.fastpath import sends_to_a_stranger
from cfp.hook_process import run_hook
from tests.ports import free_port
from tests.test_fastpath import furnish, settings_at, worker


def words(home: Path) -> list[str]:
    return ["autostart", "--codex-home", str(home), "--quiet"]


@pytest.fixture
def down(tmp_path: Path) -> Path:
    """An enabled home at whose address nobody listens."""
    furnish(tmp_path, settings_at(free_port()))
    return tmp_path


def stop_reason(text: str) -> str:
    """The reason of an answer that has exactly what stops a session."""
    answer = json.loads(text)
    assert {"continue": False, "stopReason": answer["stopReason"]} == answer
    return str(answer["stopReason"])


def test_the_command_line_gives_the_answer(down: Path) -> None:
    """Its output goes to Codex as it is; none lets the session go on."""
    for text in ("", '{"continue": false}\n'):
        out = io.StringIO()

        def run(_: Sequence[str], buffer: TextIO, text: str = text) -> None:
            buffer.write(text)

        assert (0, text) == (run_hook(words(down), out, run), out.getvalue())


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_whatever_ends_it_stops_the_session(down: Path, error: BaseException) -> None:
    """Codex would send the message after any exit code."""
    out = io.StringIO()

    def fail(_words: Sequence[str], _out: TextIO) -> None:
        raise error

    assert 0 == run_hook(words(down), out, fail)
    assert type(error).__name__ in stop_reason(out.getvalue())


def test_what_comes_too_late_is_not_waited_for(down: Path) -> None:
    """At the limit the session is stopped and the process ends; a later answer of the command line is dropped."""
    out, left = io.StringIO(), threading.Event()

    def run(_: Sequence[str], buffer: TextIO) -> None:
        assert left.wait(30)
        buffer.write("late")

    run_hook(words(down), out, run, limit=0.01, leave=lambda _: left.set())
    assert "in time" in stop_reason(out.getvalue())


def test_a_session_that_goes_elsewhere_is_never_stopped(down: Path) -> None:
    """Not enabled, another URL, another provider, files that leave it open: the last resort holds nobody up."""
    assert sends_to_a_stranger(words(down)[1:])
    config, settings = down / "config.toml", down / "codex-fast-proxy-state/settings.json"
    before = config.read_text()
    for text in (before.replace("127.0.0.1", "127.0.0.9"), 'model_provider = "other"\n', "[", "model_provider = 1\n"):
        config.write_text(text)
        assert not sends_to_a_stranger(words(down)[1:])
    config.write_text(before)
    assert not sends_to_a_stranger(["--quiet"])
    settings.write_text("[")
    assert not sends_to_a_stranger(words(down)[1:])
    settings.unlink()
    assert not sends_to_a_stranger(words(down)[1:])


def test_only_this_homes_worker_is_no_stranger(tmp_path: Path) -> None:
    """Also one that serves older settings: its key and route are this home's."""
    answer = {"ok": True, "pid": 1, "upstream_base": "https://old.example", "codex_home": str(tmp_path / "other")}
    with worker(answer) as port:
        furnish(tmp_path, settings_at(port))
        assert sends_to_a_stranger(words(tmp_path)[1:])
        answer["codex_home"] = str(tmp_path)
        assert not sends_to_a_stranger(words(tmp_path)[1:])
        del answer["codex_home"]
        assert sends_to_a_stranger(words(tmp_path)[1:])


def test_a_broken_installation_stops_the_session(down: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An upgrade in the middle, a deleted package: what the hook imports late is gone, and it says so."""
    copy = tmp_path_factory.mktemp("copy")
    source = Path(__file__).parent.parent
    for package in ("cfp", "journal"):
        shutil.copytree(source / package, copy / package)
    shutil.copy(source / "codex_fast_proxy.py", copy)
    (copy / "cfp/cli.py").write_text("import nothing_of_that_name\n")
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "codex_fast_proxy", *words(down)],
        env={**os.environ, "PYTHONPATH": str(copy), "HOME": str(down)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing_of_that_name" in stop_reason(ran.stdout)
