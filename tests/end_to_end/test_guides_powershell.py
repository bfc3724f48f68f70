"""The guides for agents in PowerShell, each block in order, on every system: the program's own commands are run.

What makes the environment has stand-ins: git copies folders, `py` and pip install nothing, because the program is
installed already. `check-update` is left out: it needs a repository of git.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.house.source import REPOSITORY
from tests.powershell import Shell, blocks

PLACE = ".local/share/codex-fast-proxy"
SCRIPTS = ".venv\\Scripts"
PROGRAM, PYTHON = f"{SCRIPTS}\\codex-fast-proxy", f"{SCRIPTS}\\python"
SKILL_VERBS = ("link-skill", "unlink-skill")


class Agent:
    """Follows a guide as a careful reader does, and stops at the first command that does not exit as announced."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.origin = machine.root / "origin"
        self.checkout = machine.home.parent / PLACE
        self.answers: list[dict[str, Any]] = []
        self.others: list[str] = []
        self.origin.mkdir()
        shutil.copy(REPOSITORY / "SKILL.md", self.origin)
        machine.environ["CODEX_HOME"] = str(machine.home)
        self.shell = Shell(
            folder=machine.work,
            environ=machine.environment(),
            run=self._run,
            lasting=lambda name, value: None,
            stand_ins={name: [name] for name in ("git", "py", PROGRAM, PYTHON)},
            variables={"REPOSITORY_URL": str(self.origin)},
        )

    def follow(self, name: str) -> list[dict[str, Any]]:
        """Type in a guide's blocks; return the JSON answers in order."""
        self.answers = []
        for line in (line for block in blocks(f".codex/{name}") for line in block.powershell.splitlines()):
            code = self.shell.type_in(line.replace("install --start", f"install --start --port {self.machine.port}"))
            assert (2 if "# exit 2" in line else 0) == code, line
        return self.answers

    def _run(self, words: list[str], folder: Path, environ: Mapping[str, str]) -> int:
        match words:
            case ["git", "clone", "-q", source, place]:
                shutil.copytree(source, place)
            case ["git", "pull", "-q", "--ff-only"]:
                shutil.copytree(self.origin, folder, dirs_exist_ok=True)
            case ["py", "-3", "-m", "venv", ".venv"]:
                (folder / ".venv").mkdir()
            case [program, "-m", "pip", "install", "-q", "-e", "."] if program == PYTHON:
                assert (folder / ".venv").is_dir()
            case [program, "check-update"] if program == PROGRAM:
                pass
            case [program, *arguments] if program == PROGRAM:
                return self._command(arguments)
            case _:
                pytest.fail(f"nothing stands in for {words}")
        self.others.append(words[0])
        return 0

    def _command(self, arguments: list[str]) -> int:
        assert (self.checkout / ".venv").is_dir()
        where = ["--repo-root", str(self.checkout)] if arguments[0] in SKILL_VERBS else []
        ran = self.machine.run([sys.executable, "-P", "-m", "codex_fast_proxy", *arguments, *where], timeout=120)
        answer = json.loads(ran.stdout)
        self.answers.append(answer)
        cannot_link = sys.platform == "win32" and answer.get("code") == "skill_not_linked"  # Wine 8 has no junctions
        return 0 if cannot_link else ran.code


def test_the_guides_in_powershell(machine: Machine) -> None:
    """From the first folder to the last file: each guide does what it says, and the home is as it was."""
    machine.relay()
    before = machine.config.read_bytes()
    agent = Agent(machine)

    linked, doctor = agent.follow("INSTALL.md")
    is_linked = linked["status"] == "linked"
    assert ("link-skill", "doctor") == (linked["command"], doctor["command"])
    assert is_linked or sys.platform == "win32"
    assert ["git", "py", PYTHON] == agent.others
    machine.install()

    with Listener(key=KEY) as other:
        agent.shell.variables["UPSTREAM"] = other.base_url
        tried, saved, waiting, started = agent.follow("SET_UPSTREAM.md")
        assert ("verified", "upstream_updated") == (tried["status"], saved["status"])
        assert (waiting["needs_restart"], started["upstream_base"]) == (True, other.base_url)

        (agent.origin / "CHANGELOG.md").write_text("Something newer.\n")
        relinked, running, updated = agent.follow("UPDATE.md")
        assert ("already_linked" if is_linked else "error") == relinked["status"]
        assert (True, "installed") == (running["config_matches"], updated["status"])
        assert (agent.checkout / "CHANGELOG.md").exists()

        deferred, finished, unlinked = agent.follow("UNINSTALL.md")
    assert ("deferred", "removed") == (deferred["stop_result"]["status"], finished["files"])
    assert ("unlinked" if is_linked else "missing") == unlinked["status"]
    assert before.replace(machine.upstream.base_url.encode(), other.base_url.encode()) == machine.config.read_bytes()
    assert not agent.checkout.exists()
    assert [] == machine.workers()
