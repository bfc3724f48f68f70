"""The guides for agents, followed to the letter on a throw-away machine: from a clone to an uninstalled home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.codex.app_server import AppServer
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.house.source import REPOSITORY, tracked
from tests.packages import offline

GUIDES = REPOSITORY / ".codex"
PLACE = ".local/share/codex-fast-proxy"
PLUGIN = "codex-fast-proxy@codex-fast-proxy"
NAME = "codex-fast-proxy:codex-fast-proxy"  # also of the linked skill: its folder has a plugin.json
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.posix("bash runs the lines of the guides")


class Agent:
    """Follows a guide as a careful reader does: each block in order, in one shell, stopping at the first failure.

    Where a guide has a section for each tool, those of `tool` are followed: uv, pipx or neither.
    """

    def __init__(self, machine: Machine, tool: str = "neither") -> None:
        self.machine = machine
        self.tool = tool
        self.origin = machine.root / "origin"
        self.user = machine.home.parent
        self.link = self.user / ".agents" / "skills" / "codex-fast-proxy"
        scripts = self.user / (f"{PLACE}/.venv/bin" if tool == "neither" else ".local/bin")
        path = os.pathsep.join((str(scripts), str(Path(sys.executable).parent), os.environ["PATH"]))
        machine.environ |= offline(self.user) | {"PATH": path, "CODEX_HOME": str(machine.home)}
        machine.environ["SOURCE"] = f"git+{self.origin.as_uri()}"

    def follow(self, name: str) -> list[dict[str, Any]]:
        """Run a guide's blocks; return the JSON answers in order."""
        text = (GUIDES / name).read_text(encoding="utf-8")
        blocks = [
            block
            for section in re.split(r"^(?=#{2,3} )", text, flags=re.MULTILINE)
            if not section.startswith("### ") or section.startswith(f"### With {self.tool}\n")
            for block in _BLOCK.findall(section)
        ]
        assert blocks
        ran = self.machine.run(["bash", "-euc", "\n".join(blocks)], timeout=240)
        assert ran.code == 0, ran.transcript
        return _objects(ran.stdout)

    def git(self, *arguments: str) -> str:
        author = ("-c", "user.name=maintainers", "-c", "user.email=maintainers@example.invalid")
        command = ["git", "-C", str(self.origin), *author, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def publish(self) -> None:
        """Make the repository that users install from: this very tree, as one commit."""
        self.origin.mkdir()
        self.git("init", "-q", "-b", "main")
        for path in tracked():
            copy = self.origin / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(path.stat().st_mode & 0o777)
        self.commit("The first")

    def commit(self, message: str) -> None:
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", message)


def _objects(text: str) -> list[dict[str, Any]]:
    decoder, objects, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(text, at)
        objects.append(value)
        at = text.find("{", end)
    return objects


@pytest.mark.parametrize("tool", ["neither", "uv", "pipx"])
def test_the_guides_from_the_first_line_to_the_last_file(machine: Machine, tool: str) -> None:
    """Each guide does what it says, and the four together leave the home and the machine as they were."""
    agent = Agent(machine, tool)
    if tool != "neither" and shutil.which(tool, path=machine.environ["PATH"]) is None:
        pytest.skip(f"{tool} is not installed: the session `tests` brings it along")
    agent.publish()
    machine.relay()
    before = machine.config.read_bytes()

    linked, doctor = agent.follow("INSTALL.md")
    assert ("linked", "doctor") == (linked["status"], doctor["command"])
    skill = agent.link.resolve()
    assert agent.user in skill.parents
    for page in ("SKILL.md", ".codex/INSTALL.md", ".codex-plugin/plugin.json", "docs/troubleshooting.md"):
        assert (REPOSITORY / page).read_bytes() == (skill / page).read_bytes()
    assert before == machine.config.read_bytes()

    enabled = machine.run(["codex-fast-proxy", "install", "--start", "--port", str(machine.port)], timeout=60)
    assert enabled.code == 0, enabled.transcript

    with Listener(key=KEY) as other:
        machine.environ["UPSTREAM"] = other.base_url
        tried, saved, waiting, started = agent.follow("SET_UPSTREAM.md")
        assert ("verified", "upstream_updated") == (tried["status"], saved["status"])
        assert waiting["needs_restart"]
        assert ("restarted", other.base_url) == (started["status"], started["upstream_base"])

        (agent.origin / "CHANGELOG.md").write_text("# Changelog\n\nSomething newer.\n")
        agent.commit("The second")
        checked, relinked, running, updated = agent.follow("UPDATE.md")
        installer = "pip" if tool == "neither" else tool
        assert ("package", installer, machine.environ["SOURCE"]) == (
            checked["installed_as"],
            checked["installed_by"],
            checked["installed_from"],
        )
        assert "already_linked" == relinked["status"]
        assert "newer" in (agent.link / "CHANGELOG.md").read_text()
        assert (True, "installed") == (running["config_matches"], updated["status"])

        deferred, finished, unlinked = agent.follow("UNINSTALL.md")
    assert ("deferred", "stopped", "removed") == (
        deferred["stop_result"]["status"],
        finished["stop_result"]["status"],
        finished["files"],
    )
    assert "unlinked" == unlinked["status"]
    assert before.replace(machine.upstream.base_url.encode(), other.base_url.encode()) == machine.config.read_bytes()
    assert not agent.link.is_symlink()
    assert [] == [path for path in agent.user.rglob("codex_fast_proxy.py") if ".cache" not in path.parts]
    assert [] == machine.workers()


def skills_in(codex: Machine) -> list[tuple[str, Path]]:
    """Name and page of each skill with our name, as the real Codex lists them for the user's folders."""
    assert codex.codex is not None
    with AppServer(codex.codex, codex.home) as server:
        data = server.ask("skills/list", {"cwds": [str(codex.work)], "forceReload": True})["result"]["data"]
    return [(skill["name"], Path(skill["path"])) for skill in data[0]["skills"] if "fast-proxy" in skill["name"]]


def add_plugin(codex: Machine, marketplace: Path) -> None:
    """Let the real Codex add a folder as a marketplace, and install the plugin that it offers."""
    for arguments in (["marketplace", "add", str(marketplace)], ["add", PLUGIN]):
        ran = codex.run([str(codex.codex), "plugin", *arguments], timeout=60)
        assert ran.code == 0, ran.transcript


@pytest.mark.codex_since("0.150", "`codex plugin add`")
def test_codex_installs_the_plugin(codex: Machine) -> None:
    """From the repository; its skill has the guides above it, as SKILL.md says."""
    agent = Agent(codex)
    agent.publish()
    add_plugin(codex, agent.origin)
    ((name, page),) = skills_in(codex)
    assert NAME == name
    assert all((page.parent / one).is_file() for one in ("../../INSTALL.md", "../../../docs/troubleshooting.md"))


@pytest.mark.codex_since("0.150", "`codex plugin add`")
def test_codex_finds_what_a_package_carries(codex: Machine) -> None:
    """The linked skill, once, and from its folder the plugin; both are gone with the link and the plugin."""
    agent = Agent(codex)
    agent.publish()
    place = agent.user / PLACE / ".venv"
    for words in (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "-q", str(agent.origin)],
    ):
        ran = codex.run(words, timeout=120)
        assert ran.code == 0, ran.transcript
    root = ("--skills-root", str(codex.home / ".agents" / "skills"))
    target = Path(codex.run(["codex-fast-proxy", "link-skill", *root], timeout=60).json["target"])
    ((name, page),) = skills_in(codex)
    assert (NAME, target / "SKILL.md") == (name, page.resolve())
    assert all((page.resolve().parent / one).is_file() for one in (".codex/INSTALL.md", "docs/troubleshooting.md"))
    add_plugin(codex, target)
    assert [NAME, NAME] == [name for name, _ in skills_in(codex)]
    assert "unlinked" == codex.run(["codex-fast-proxy", "unlink-skill", *root], timeout=60).json["status"]
    assert [NAME] == [name for name, _ in skills_in(codex)]


def test_the_plugin_carries_the_skill() -> None:
    """Codex leaves symbolic links out when it copies a plugin, so its skill is a copy: the same, to the byte."""
    copy = GUIDES / "skills" / "codex-fast-proxy" / "SKILL.md"
    assert (REPOSITORY / "SKILL.md").read_bytes() == copy.read_bytes(), f"cp SKILL.md {copy.relative_to(REPOSITORY)}"
