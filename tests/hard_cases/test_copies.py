"""Homes that were copied or moved, interrupted or not: nothing that runs in a copy changes the original."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.sizes import DEEP
from tests.homes.acts import Acts, killed
from tests.scenes import INSTALL, MOVE, SCENES, Photograph, Play, Scene, photograph, plain, play
from tests.staged import Stage, in_a_child

pytestmark = pytest.mark.posix("fork")

CHOSEN = {"install", "install after an edit", "set-upstream --restart", "start over a stale worker", "uninstall"}
INTERRUPTED = SCENES if DEEP else tuple(scene for scene in SCENES if scene.name in CHOSEN)
STRIDE = 1 if DEEP else 7
VERBS = (
    INSTALL,
    (*INSTALL, "--port", "8899"),
    ("install", "--dry-run"),
    ("install", "--prepare-only", "--no-verify"),
    MOVE,
    (*MOVE, "--restart"),
    ("prepare-chatgpt-login", "--apply"),
    ("start",),
    ("autostart",),
    ("autostart", "--quiet"),
    ("stop",),
    ("stop", "--force"),
    ("uninstall",),
    ("uninstall", "--force"),
    ("uninstall", "--defer-stop"),
    ("uninstall", "--keep-state"),
    ("recover",),
    ("recover", "--dry-run"),
    ("status",),
    ("doctor",),
    ("journal", "list"),
)


def copy_of(stage: Stage, name: str = "copy") -> Stage:
    """The home as `cp -a` copies it. Its street is empty: real workers have a test in `tests/end_to_end`."""
    copy = Stage(root=stage.root.with_name(name), environ=stage.environ)
    shutil.rmtree(copy.root, ignore_errors=True)
    shutil.copytree(stage.home, copy.home, symlinks=True)
    return copy


def moved(stage: Stage, *, leave_link: bool = False) -> Stage:
    """The home under another name."""
    target = stage.root / "moved" / ".codex"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    stage.home.rename(target)
    if leave_link:
        stage.home.symlink_to(target)
    return replace(stage, environ={**stage.environ, "CODEX_HOME": str(target)})


def interrupt(played: Play, at: int) -> None:
    played.rewind()
    assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(at, killed)))


def contents(home: Path) -> dict[str, bytes | str]:
    """Every file of a home but the journal's own, and every link."""
    return {
        str(path.relative_to(home)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in home.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.parent.name != "codex-fast-proxy-journal"
    }


def same(before: Photograph, after: Photograph) -> bool:
    """Whether every file, folder and worker of the original is the same, down to inodes and times."""
    return (before.entries, before.alive) == (after.entries, after.alive)


@pytest.mark.parametrize("scene", INTERRUPTED, ids=lambda scene: scene.name)
def test_recovery_in_a_copy_is_the_copy_s(scene: Scene, tmp_path: Path) -> None:
    """Killed at any act: the original stays byte for byte, and the copy ends as the original would."""
    played = play(scene, tmp_path / "stage")
    recovered = 0
    for at in range(1, len(played.acts) + 1, STRIDE):
        interrupt(played, at)
        copy = copy_of(played.stage)
        before = photograph(played.stage)
        answer = copy.run("recover")
        assert same(before, photograph(played.stage)), (at, played.acts[at - 1], answer.out)
        if answer.code == 6:
            assert "journal_of_another_home" == answer.json["code"]
            continue
        recovered += answer.json["status"] in {"rolled_back", "finished"}
        assert 0 == played.recover().code
        assert contents(played.stage.home) == contents(copy.home), (at, played.acts[at - 1])
    assert recovered or scene.home is not plain


@pytest.mark.parametrize("line", VERBS, ids=" ".join)
@pytest.mark.parametrize("scene", ["install", "uninstall", "install, dotfiles", "start over a stale worker"])
def test_no_verb_in_an_interrupted_copy_reaches_the_original(
    line: tuple[str, ...], scene: str, tmp_path: Path
) -> None:
    """Interrupted where the first file is swapped; with dotfiles, the config that the original uses stays too."""
    played = play(next(one for one in SCENES if one.name == scene), tmp_path / "stage")
    swaps = [at for at, name in enumerate(played.acts, start=1) if name in {"exchange", "move_new", "spawn"}]
    for at in {swaps[0] + 1, swaps[-1] + 1}:
        interrupt(played, at)
        copy = copy_of(played.stage)
        before = photograph(played.stage)
        copy.run(*line)
        assert same(before, photograph(played.stage))


@pytest.mark.parametrize("line", VERBS, ids=" ".join)
def test_no_verb_in_an_installed_copy_reaches_the_original(line: tuple[str, ...], tmp_path: Path) -> None:
    """Its record, its hook and its port are the original's; the files and the worker stay all the same."""
    stage = play(SCENES[0], tmp_path / "stage").stage
    copy = copy_of(stage)
    before = photograph(stage)
    copy.run(*line)
    assert same(before, photograph(stage))


def test_an_uninstall_in_a_copy_is_the_copy_s(tmp_path: Path) -> None:
    """By the copy's own backup: the original may have been removed, or have another one under that name."""
    played = play(SCENES[0], tmp_path / "stage")
    copy = copy_of(played.stage)
    shutil.rmtree(played.stage.home / "backups")
    assert 0 == copy.run("uninstall").code
    assert played.was.entries[".codex/config.toml"].data == copy.layout.config.read_bytes()


def test_the_record_of_a_copy_is_read_as_the_copy_s(tmp_path: Path) -> None:
    """Its config.toml, hooks.json and backup; a path outside of the home stays as it is."""
    stage = play(SCENES[0], tmp_path / "stage").stage
    copy = copy_of(stage)
    manifest = copy.host().survey().manifest
    assert manifest is not None
    assert (str(copy.layout.config), str(copy.layout.hooks)) == (manifest.config_path, manifest.hooks_path)
    assert str(copy.layout.backups) == str(Path(str(manifest.backup_path)).parent)
    elsewhere = replace(manifest, config_path=str(stage.layout.config), backup_path="/elsewhere/config.bak")
    assert "/elsewhere/config.bak" == elsewhere.in_home(copy.layout).backup_path


def test_a_copy_that_leads_out_is_refused(tmp_path: Path) -> None:
    """config.toml is an absolute link to the file that the original uses: the remedy names both places."""
    played = play(next(scene for scene in SCENES if scene.name == "install, dotfiles"), tmp_path / "stage")
    played.rewind()
    config = played.stage.home / "config.toml"
    config.unlink()
    config.symlink_to(played.stage.home.parent / "dotfiles" / "config.toml")
    played.was = photograph(played.stage)
    swaps = [at for at, name in enumerate(played.acts, start=1) if name == "exchange"]
    assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(swaps[-1] + 1, killed)))
    copy = copy_of(played.stage)
    before = photograph(played.stage)
    for line in (("recover",), ("recover", "--dry-run"), INSTALL, ("uninstall",)):
        answer = copy.run(*line)
        assert (6, "journal_of_another_home") == (answer.code, answer.json["code"])
        assert str(played.stage.home) == answer.json["home"]
        assert str(copy.home) == answer.json["copy"]
    assert same(before, photograph(played.stage))
    Path(answer.json["record"]).unlink()
    assert "clean" == copy.run("recover").json["status"]
    assert "rolled_back" == played.recover().json["status"]


@pytest.mark.parametrize("leave_link", [False, True])
@pytest.mark.parametrize("scene", [one for one in INTERRUPTED if one.home is plain], ids=lambda scene: scene.name)
def test_a_moved_home_is_recovered(scene: Scene, leave_link: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """Renamed while interrupted, with a link in the old place or without: it ends as it would have there."""
    played = play(scene, tmp_path / "stage")
    for at in range(3, len(played.acts) + 1, 2 * STRIDE):
        interrupt(played, at)
        twin = copy_of(played.stage, "twin")
        here = moved(played.stage, leave_link=leave_link)
        answer = here.run("recover")
        assert answer.code == 0, (at, answer.out)
        twin.run("recover")
        assert contents(twin.home) == contents(here.layout.home), (at, played.acts[at - 1])
        if leave_link:
            played.stage.home.unlink()


def test_a_moved_home_keeps_its_dotfiles(tmp_path: Path) -> None:
    """config.toml is an absolute link out of the home, and a rename proves that the home is no copy."""
    played = play(next(scene for scene in SCENES if scene.name == "install, dotfiles"), tmp_path / "stage")
    played.rewind()
    file = played.stage.home.parent / "dotfiles" / "config.toml"
    content = file.read_bytes()
    (played.stage.home / "config.toml").unlink()
    (played.stage.home / "config.toml").symlink_to(file)
    assert -signal.SIGKILL == in_a_child(lambda: played.perform(Acts(played.acts.index("exchange") + 6, killed)))
    here = moved(played.stage)
    assert "rolled_back" == here.run("recover").json["status"]
    assert content == file.read_bytes()
