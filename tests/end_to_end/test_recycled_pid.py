"""The pid of a worker that died belongs to a stranger now: nothing of ours signals him."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.harness import relay_config
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def _may() -> bool:
    """Whether this machine gives us pids of our own: elsewhere nobody can choose one."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.posix("a pid namespace, in which pids can be chosen", needs="linux")
@pytest.mark.parametrize(
    ("words", "status"),
    [("start", "started"), ("stop --force", "not_running"), ("recover", "rolled_back"), ("uninstall", "uninstalled")],
)
def test_a_stranger_with_the_pid_of_our_worker_lives_on(tmp_path: Path, words: str, status: str) -> None:
    """Pid file and log name that number; start time and nonce say who has it now."""
    if not _may():
        pytest.skip("needs a pid namespace of its own")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(relay_config("https://relay.example/v1"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.end_to_end.recycled", str(free_port()), *words.split()]
    ran = subprocess.run([*NAMESPACE, *command], env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    expected = {"recycled": True, "stranger lives": True, "workers": [], "statuses": [status, "uninstalled"]}
    assert expected == json.loads(ran.stdout), ran.stderr
