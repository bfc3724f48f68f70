"""The output on stdout, and its independence of the reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cfp.core.checks.table import CHECKS
from tests.breakage.test_flags import run
from tests.end_to_end.harness import relay_config
from tests.users import of_user

PROGRAM = (sys.executable, "-P", "-m", "codex_fast_proxy")


def _started(home: Path, *words: str, **environ: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **of_user(home.parent), **environ}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _finished(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    with _started(home, *words, **environ) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a Codex home with an umlaut in the provider's name."""
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(relay_config("https://relay.example/v1"))
    return folder


def test_a_lost_reader_changes_no_exit_code(home: Path) -> None:
    """The exit code is that of the command, and a closed pipe causes no message."""
    with _started(home, *PROGRAM, "status") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (b"", 0) == (process.stderr.read(), process.wait(60))


@pytest.mark.posix("a device that is full, and a program without standard output")
@pytest.mark.parametrize("sink", ["> /dev/full", ">&-"])
def test_an_output_that_takes_nothing_changes_no_exit_code(home: Path, sink: str) -> None:
    """So it is with a full disk, and with no output at all."""
    done = _finished(home, "/bin/sh", "-c", f'exec "$@" {sink}', "sh", *PROGRAM, "status")
    assert (0, b"") == (done.returncode, done.stderr)


def test_stdout_is_utf8_in_every_locale(home: Path) -> None:
    """The contract names the encoding; a character without an encoding becomes a JSON escape."""
    done = _finished(home, *PROGRAM, "status", "--provider", "ü\udcff", PYTHONIOENCODING="ascii")
    assert 0 == done.returncode
    assert "ü\udcff" == json.loads(done.stdout.decode())["provider"]


@pytest.mark.parametrize("features", ["5", '"hooks"', '["hooks"]'])
def test_doctor_reads_a_config_of_another_shape(home: Path, features: str) -> None:
    """Valid TOML that Codex would refuse is a finding, not a bug."""
    (home / "config.toml").write_text(f"features = {features}\n")
    code, answer = run(home, "doctor")
    assert (2, len(CHECKS)) == (code, len(answer["checks"]))


def test_an_interrupt_while_modules_are_loaded_is_answered(home: Path) -> None:
    """^C in the first tenth of a second leaves no traceback either."""
    program = """
import builtins, sys
load = builtins.__import__
interruptions = []
def interrupted(name, *rest):
    if name == "cfp.cli" and not interruptions:
        interruptions.append(name)
        raise KeyboardInterrupt
    return load(name, *rest)
builtins.__import__ = interrupted
sys.argv = ["codex-fast-proxy", "status"]
from cfp.__main__ import main
raise SystemExit(main())
"""
    done = _finished(home, sys.executable, "-c", program, PYTHONPATH=os.pathsep.join(sys.path))
    assert (130, b"") == (done.returncode, done.stderr)
    assert ("status", "interrupted_by_user") == tuple(json.loads(done.stdout)[name] for name in ("command", "code"))
