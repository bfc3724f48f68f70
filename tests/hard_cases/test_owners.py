"""Homes of one user and commands of another, with real user ids. Root ignores modes, so these need a second user."""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cfp
import journal
from cfp.commands import COMMANDS
from cfp.commands.command import Command
from cfp.commands.parsing import load, parsed
from tests.homes.site import CommandAnswer, run_on
from tests.scenes import ENVIRON, INSTALL, MOVE, Photograph, photograph, plain
from tests.staged import Stage, in_a_child
from tests.systems import as_root

pytestmark = as_root

OWNER, OTHER = 12345, 12346
LINES = (
    INSTALL,
    ("install", "--prepare-only", "--no-verify"),
    MOVE,
    ("prepare-chatgpt-login", "--apply"),
    ("start",),
    ("autostart",),
    ("autostart", "--quiet"),
    ("stop",),
    ("stop", "--force"),
    ("uninstall",),
    ("uninstall", "--force"),
    ("recover",),
    ("recover", "--dry-run"),
    ("benchmark", "--mode", "direct", "--model", "m"),
    ("run", "--", "codex"),
)
READING = (("status",), ("doctor",), ("install", "--dry-run"), ("journal", "list"), ("logs",))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A plain home in a folder that every user can reach; what commands load late is loaded."""
    root = Path(tempfile.mkdtemp(prefix="cfp-tests-"))
    root.chmod(0o755)
    made = Stage(root=root / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    load_all()
    for words in (("status",), ("doctor",), INSTALL, MOVE, ("prepare-chatgpt-login", "--apply"), ("uninstall",)):
        made.run(*words)
    shutil.rmtree(made.home)
    plain(made)
    (made.home / "hooks.json").unlink(missing_ok=True)
    yield made
    shutil.rmtree(root)


def load_all() -> None:
    """Load what commands load late: another user may not read where it stands."""
    for name in ("grp", "encodings.idna"):
        importlib.import_module(name)
    for package in (cfp, journal):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            name = module.name.rpartition(".")[2]
            of_another_system = name.startswith("_") and ("win" in name or "macos" in name)
            if name not in {"__main__", "_portable"} and not of_another_system:
                importlib.import_module(module.name)


def give(stage: Stage, uid: int = OWNER) -> None:
    for path in (stage.root, *stage.root.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def run_as(stage: Stage, uid: int, *words: str) -> CommandAnswer:
    """Run one command line as a user; a bug fails the test."""
    output = Path(tempfile.mkstemp(dir=stage.root.parent)[1])
    output.chmod(0o666)

    def act() -> int:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        answer = run_on(stage.host(), [*words])
        output.write_text(answer.out)
        return answer.code

    answer = CommandAnswer(code=in_a_child(act), out=output.read_text())
    output.unlink()
    assert answer.code not in {70, 99}, answer.out
    return answer


def with_root(stage: Stage, *words: str) -> CommandAnswer:
    return run_on(stage.host(), [*words])


def test_the_lines_are_all_that_write() -> None:
    """Every verb that may write is tried here; `link-skill` writes elsewhere, and has a test of its own."""
    for verb in COMMANDS:
        command = load(verb)
        lines = [line for line in (*LINES, *READING) if line[0] == verb]
        if isinstance(command, Command):
            writes = [command.writes(command.parse(parsed(verb, line[1:]))) for line in lines]
            assert writes == [line in LINES for line in lines], verb


@pytest.mark.parametrize("line", LINES, ids=" ".join)
@pytest.mark.parametrize("uid", [0, OTHER])
def test_another_user_is_refused(stage: Stage, uid: int, line: tuple[str, ...]) -> None:
    """Root, and a user with write permission: before anything is written, and the sentence names the owner."""
    give(stage)
    if uid:
        for path in (stage.home, *stage.home.rglob("*")):
            path.chmod(0o777)
    before = photograph(stage)
    answer = run_as(stage, uid, *line) if uid else with_root(stage, *line)
    after = photograph(stage)
    assert (before.entries, before.alive) == (after.entries, after.alive)
    if line[-1] == "--quiet":
        assert (0, "") == (answer.code, answer.out)
        return
    assert "home_of_another_user" == answer.json["code"]
    assert str(OWNER) in answer.json["error"]
    assert (0 if line[0] == "autostart" else 2) == answer.code


@pytest.mark.parametrize("line", READING, ids=" ".join)
def test_reading_changes_nothing(stage: Stage, line: tuple[str, ...]) -> None:
    """Root may look."""
    give(stage)
    before = photograph(stage).entries
    with_root(stage, *line)
    assert before == photograph(stage).entries


def test_a_home_that_is_missing(stage: Stage) -> None:
    """Root makes none in another user's folder."""
    shutil.rmtree(stage.home)
    give(stage)
    assert "home_of_another_user" == with_root(stage, *INSTALL).json["code"]
    assert not stage.home.exists()


def test_a_home_that_root_has_made(stage: Stage) -> None:
    """The user is told the command that gives it back, and it works."""
    give(stage)
    for path in (stage.home, *stage.home.rglob("*")):
        os.chown(path, 0, 0)
    answer = run_as(stage, OWNER, *INSTALL)
    assert "files_of_another_user" == answer.json["code"]
    assert answer.json["remedy"] == f"sudo chown -R {OWNER}:{OWNER} {stage.home}"


def test_root_in_a_home_of_its_own(stage: Stage) -> None:
    """A container's usual case."""
    assert 0 == with_root(stage, *INSTALL).code
    assert 0 == with_root(stage, "uninstall").code


@pytest.mark.parametrize("line", [*LINES, *READING], ids=" ".join)
def test_files_that_root_has_left(stage: Stage, line: tuple[str, ...]) -> None:
    """An older version under sudo left them; every answer is JSON with a code, and names the remedy."""
    assert 0 == with_root(stage, *INSTALL).code
    os.chown(stage.home, OWNER, OWNER)
    os.chown(stage.home / "config.toml", OWNER, OWNER)
    before = photograph(stage).entries
    answer = run_as(stage, OWNER, *line)
    assert before == photograph(stage).entries
    if line in LINES and line[-1] != "--quiet":
        assert "files_of_another_user" == answer.json["code"]
    if line in {("status",), ("doctor",)}:
        assert "files_of_another_user" == answer.json["diagnosis"]["code"]
    if line == ("doctor",):
        check = next(one for one in answer.json["checks"] if one["name"] == "home_owner")
        assert f"sudo chown -R {OWNER}:{OWNER} {stage.home}" in check["fix"]


def test_the_remedy_works(stage: Stage) -> None:
    """After the command that doctor names, the user can uninstall."""
    before = (stage.home / "config.toml").read_bytes()
    assert 0 == with_root(stage, *INSTALL).code
    give(stage)
    assert 0 == run_as(stage, OWNER, "uninstall").code
    assert before == (stage.home / "config.toml").read_bytes()


CLOSED: dict[str, Callable[[Stage], Path]] = {
    "home": lambda stage: stage.home,
    "folder above": lambda stage: stage.home.parent,
    "state": lambda stage: stage.layout.state,
    "worker": lambda stage: stage.layout.worker,
    "journal": lambda stage: stage.layout.journal,
    "backups": lambda stage: stage.layout.backups,
    "config": lambda stage: stage.layout.config,
    "hooks": lambda stage: stage.layout.hooks,
    "settings": lambda stage: stage.layout.settings,
    "manifest": lambda stage: stage.layout.manifest,
}


def contents(photo: Photograph) -> dict[str, bytes]:
    """Every file but the logs, which the hook writes where it fails, and the journal's lock."""
    names = ("fast_proxy.", "codex-fast-proxy-journal/")
    return {path: entry.data for path, entry in photo.entries.items() if not any(name in path for name in names)}


@pytest.mark.parametrize("name", CLOSED)
def test_what_cannot_be_read_is_not_absent(stage: Stage, name: str) -> None:
    """Every command answers with JSON, changes nothing, and leaves the proxy that config.toml may point at alone."""
    assert 0 == with_root(stage, *INSTALL).code
    give(stage)
    path = CLOSED[name](stage)
    mode = path.stat().st_mode & 0o777
    path.chmod(0)
    before = photograph(stage)
    for line in (("status",), ("doctor",), ("autostart",), ("stop",), ("uninstall",), INSTALL, MOVE):
        answer = run_as(stage, OWNER, *line)
        assert answer.json["status"]
        if line[0] in {"stop", "uninstall", "install", "set-upstream"}:
            assert answer.json["code"] not in {"settings_missing", "not_enabled", "codex_home_missing"}
        assert 0 == answer.code or line[0] != "autostart"
    assert before.alive == photograph(stage).alive
    path.chmod(mode)
    assert contents(before) == contents(photograph(stage))
