"""A copied Codex home beside its original, whose real proxy runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.end_to_end.harness import Machine
from tests.house.source import REPOSITORY

LINES = (
    ("stop", "--force"),
    ("start",),
    ("recover",),
    ("set-upstream", "--no-verify", "--service-tier-policy", "preserve", "--restart"),
    ("uninstall", "--force"),
)


def watched(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """The files of the original but its log."""
    return {path: entry for path, entry in machine.files().items() if not path.endswith("fast_proxy.jsonl")}


@pytest.fixture
def copy(machine: Machine) -> Path:
    machine.relay()
    machine.install()
    return machine.root / "copy"


def renew(machine: Machine, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(machine.home, copy, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))


def test_the_original_s_proxy_is_left_alone(machine: Machine, copy: Path) -> None:
    """Whatever runs in the copy: the process at the recorded port is the original's."""
    before, (worker,) = watched(machine), machine.workers()
    for line in LINES:
        renew(machine, copy)
        machine.cfp(*line, "--codex-home", str(copy))
        assert before == watched(machine)
        assert [worker] == machine.workers()


def test_an_interrupted_start_is_not_undone_in_the_copy(machine: Machine, copy: Path) -> None:
    """The copied record names both workers of a handover in the original, which serve on."""
    machine.cfp("set-upstream", "--no-verify", "--service-tier-policy", "preserve")
    machine.environ["PYTHONPATH"] = str(REPOSITORY)
    machine.run([sys.executable, "-m", "tests.end_to_end.dying", str(machine.home), "up"], timeout=60)
    del machine.environ["PYTHONPATH"]
    before, workers = watched(machine), machine.workers()
    assert 2 == len(workers)
    assert machine.cfp("status").json["interrupted"]
    renew(machine, copy)
    assert "rolled_back" == machine.cfp("recover", "--codex-home", str(copy)).json["status"]
    assert (before, workers) == (watched(machine), machine.workers())
    assert "rolled_back" == machine.cfp("recover").json["status"]
    assert 1 == len(machine.workers())
