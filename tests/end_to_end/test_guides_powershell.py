"""The guides for agents in PowerShell, each block in order, on every system: the program's own commands are run.

What makes the environment has stand-ins: `py`, pip, git, uv and pipx install nothing, because the program is there.
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
PROGRAM = "codex-fast-proxy"
SKILL_VERBS = ("link-skill", "unlink-skill")
TOOLS = ("git", "py", "uv", "pipx")


class Agent:
    """Follows a guide as a careful reader does, and stops at the first command that does not exit as announced.

    Of the sections for each tool, all are followed: those of a tool that is not at hand do nothing here.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.place = machine.home.parent / PLACE
        self.source = machine.root / "source"
        self.answers: list[dict[str, Any]] = []
        self.others: list[list[str]] = []
        self.source.mkdir()
        shutil.copy(REPOSITORY / "SKILL.md", self.source)
        machine.environ["CODEX_HOME"] = str(machine.home)
        pip = f"{machine.home.parent}/{PLACE}/.venv/Scripts/python"
        self.shell = Shell(
            folder=machine.work,
            environ=machine.environment(),
            run=self._run,
            lasting=lambda name, value: None,
            stand_ins={
                **{name: [name] for name in (*TOOLS, PROGRAM)},
                **{python: ["pip"] for python in (pip, ".venv\\Scripts\\python")},
            },
            variables={"SOURCE": str(self.source)},
        )

    def follow(self, name: str) -> list[dict[str, Any]]:
        """Type in a guide's blocks; return the JSON answers in order."""
        self.answers, self.others = [], []
        for line in (line for block in blocks(f".codex/{name}") for line in block.powershell.splitlines()):
            code = self.shell.type_in(line.replace("install --start", f"install --start --port {self.machine.port}"))
            assert code == 0, line
        return self.answers

    def _run(self, words: list[str], folder: Path, environ: Mapping[str, str]) -> int:
        if words[0] == PROGRAM:
            return self._command(words[1:])
        match words:
            case ["py", "-3", "-m", "venv", place]:
                Path(place).mkdir(parents=True)
            case ["pip", "-m", "pip", "install", "-q", *_] | ["git", "pull", "-q", "--ff-only"]:
                pass
            case ["uv", "tool", "install" | "upgrade" | "uninstall", _] | ["pipx", _, _]:
                pass
            case _:
                pytest.fail(f"nothing stands in for {words}")
        self.others.append(words)
        return 0

    def _command(self, arguments: list[str]) -> int:
        assert self.place.is_dir()
        where = ["--repo-root", str(self.source)] if arguments[0] in SKILL_VERBS else []
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
    assert ["uv", "pipx", "py", "pip"] == [words[0] for words in agent.others]
    machine.install()

    with Listener(key=KEY) as other:
        agent.shell.variables["UPSTREAM"] = other.base_url
        tried, saved, waiting, started = agent.follow("SET_UPSTREAM.md")
        assert ("verified", "upstream_updated") == (tried["status"], saved["status"])
        assert (waiting["needs_restart"], started["upstream_base"]) == (True, other.base_url)

        checked, relinked, running, updated = agent.follow("UPDATE.md")
        assert "checked" == checked["status"]
        assert ("already_linked" if is_linked else "error") == relinked["status"]
        assert (True, "installed") == (running["config_matches"], updated["status"])
        assert ["uv", "pipx", "pip", "git", "pip"] == [words[0] for words in agent.others]

        deferred, finished, unlinked = agent.follow("UNINSTALL.md")
    assert ("deferred", "removed") == (deferred["stop_result"]["status"], finished["files"])
    assert ("unlinked" if is_linked else "missing") == unlinked["status"]
    assert before.replace(machine.upstream.base_url.encode(), other.base_url.encode()) == machine.config.read_bytes()
    assert ["uv", "pipx"] == [words[0] for words in agent.others]
    assert not agent.place.exists()
    assert [] == machine.workers()
