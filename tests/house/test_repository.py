"""The repository's statements about itself are true, and forbidden words are absent."""

from __future__ import annotations

import json
import os
import re
import tomllib

import pytest

import cfp
from cfp.core.settings import Policy
from tests.house.source import REPOSITORY, tracked

# In pieces, so that this file does not break its own rules.
PLACES = (
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/o" + "pt/wheels",
    "/t" + "mp/team",
    "shared/" + "design",
    "shared/" + "spec",
)
REGISTRIES = (
    *("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "npm" + "mirror"),
    *(
        "--index" + "-url",
        "--extra-index" + "-url",
        "--find" + "-links",
        "deb." + "debian.org",
        "archive." + "ubuntu.com",
    ),
)
TOOLS = (
    "CONTR" + "ACTS.md",
    "codex-" + "facts",
    "Clau" + "de",
    "Anth" + "ropic",
    "Co-Authored" + "-By",
)

SETUP = "python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox"


def _occurrences(words: tuple[str, ...]) -> list[str]:
    occurrences = []
    for path in tracked():
        if path.suffix in {".png", ".ico", ".woff2", ".zst", ".gz"}:
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        occurrences += [f"{path.relative_to(REPOSITORY)}: {word}" for word in words if word in text]
    return occurrences


@pytest.mark.parametrize("words", [PLACES, REGISTRIES, TOOLS], ids=["places", "registries", "tools"])
def test_the_repository_stands_alone(words: tuple[str, ...]) -> None:
    """No file names a machine, a package registry, or what it was written with."""
    assert [] == _occurrences(words)


def test_the_readme_sets_up_as_the_gate_does() -> None:
    """The README's set-up command is the gate's, to the letter."""
    gate = (REPOSITORY / ".ci" / "run").read_text()
    assert SETUP in gate.splitlines()
    assert SETUP in (REPOSITORY / "README.md").read_text()


def test_the_gate_can_be_run() -> None:
    """It is a bash script that stops at the first failure."""
    gate = REPOSITORY / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    assert "set -euo pipefail" in gate.read_text().splitlines()


def test_the_layers_are_linted() -> None:
    """The import contracts are checked with every change."""
    assert '"lint-imports"' in (REPOSITORY / "noxfile.py").read_text()


def test_the_changelog_knows_the_version() -> None:
    """The version of the package has its heading."""
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    assert re.search(rf"^##\s+\[?{re.escape(cfp.__version__)}\]?", changelog, re.MULTILINE)


def test_the_plugin_has_the_version() -> None:
    """Codex keeps an installed plugin by its version, so it must be the package's."""
    plugin = json.loads((REPOSITORY / ".codex-plugin" / "plugin.json").read_text())
    assert cfp.__version__ == plugin["version"]


def test_everything_installed_is_locked() -> None:
    """Each dependency that pyproject.toml names has a line in the constraints."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    locked = {
        _normal(line.split("==")[0])
        for line in (REPOSITORY / ".ci" / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    named = {
        _normal(re.split(r"[\[<>=;~! ]", requirement)[0])
        for requirement in (
            *project["project"]["dependencies"],
            *(one for group in project["dependency-groups"].values() for one in group),
            "nox",
        )
    }
    assert named <= locked


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("page", ["README.md", "SKILL.md", "docs/guide.md"])
def test_every_policy_is_explained(page: str) -> None:
    """Whoever meets the policies there meets them all."""
    text = (REPOSITORY / page).read_text()
    assert [] == [str(policy) for policy in Policy if not re.search(rf"\b{policy}\b", text)]
