"""config.toml, hooks.json and auth.json held open by another program, with each share mode that Windows has.

A command waits for a bounded time, then refuses and has changed nothing; or it does not need the file, and succeeds.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cfp.host.disk import MachineDisk
from cfp.host.system.files.file_use import read_bytes
from journal.fs import FileInUse
from tests.crash.sizes import DEEP
from tests.homes.acts import ActingFs, Acts
from tests.homes.site import CommandAnswer, StagedHost, run_on
from tests.scenes import ENVIRON, INSTALL, SCENES, Scene, dotfiles, plain
from tests.staged import Stage, StageDisk

FILES = ("config.toml", "hooks.json", "auth.json")
LOOKING = (("status",), ("doctor",), ("install", "--dry-run", "--no-verify"))
APART = ("codex-fast-proxy-journal", "autostart")
PLAYED = [scene for scene in SCENES if scene.home is not dotfiles]  # a link needs a privilege on Windows
SAMPLE = PLAYED[::5] if sys.platform == "win32" else PLAYED  # of what is simulated: there the real thing is tested


class KeptDisk(StageDisk):
    """A disk on which some program keeps a file to itself; `sleep` is called for each wait."""

    def __init__(self, stage: Stage, kept: Path | None, sleep: Callable[[float], object] = lambda _: None) -> None:
        super().__init__(stage.layout)
        self._kept = kept
        self._sleep = sleep
        self._read = self._read_unless_kept

    def _read_unless_kept(self, path: Path) -> bytes:
        if path == self._kept:
            raise FileInUse(13, "in use", str(path))
        return read_bytes(path)


class KeptFs(ActingFs):
    """A file system on which a file cannot be replaced: neither before the first swap, nor at an act of this name."""

    def __init__(self, acts: Acts, kept: Path | None, act: str = "require_free") -> None:
        super().__init__(acts)
        self._kept = kept
        self._act = act

    def __getattr__(self, name: str) -> object:
        if name != self._act:
            return super().__getattr__(name)
        call: Callable[..., object] = getattr(self._fs, name)

        def operate(*paths: Path) -> object:
            if self._kept in paths:
                raise FileInUse(13, "in use", str(self._kept))
            return call(*paths)

        return operate


def machine(stage: Stage, disk: MachineDisk, fs: ActingFs, acts: Acts) -> StagedHost:
    return StagedHost(
        layout=stage.layout,
        environ={"HOME": str(stage.home.parent), **stage.environ},
        python="/opt/python",
        disk=disk,
        fs=fs,
        computer=stage.street,
        act=acts.act,
    )


def contents(stage: Stage) -> dict[str, bytes]:
    """Every file of the home but the journal's and the hook's log."""
    files = (path for path in stage.home.rglob("*") if path.is_file())
    return {
        str(path.relative_to(stage.home)): path.read_bytes()
        for path in files
        if not any(word in str(path) for word in APART)
    }


def put(stage: Stage, files: dict[str, bytes], workers: bytes) -> None:
    """Lay the home out again."""
    shutil.rmtree(stage.home, ignore_errors=True)
    for name, data in files.items():
        (stage.home / name).parent.mkdir(parents=True, exist_ok=True)
        (stage.home / name).write_bytes(data)
    stage.street.write(workers or b"[]")


def laid_out(scene: Scene, root: Path) -> tuple[Stage, dict[str, bytes], bytes, dict[str, bytes]]:
    """Play a scene once; return its stage, the home and the workers before, and the home after."""
    stage = Stage(root=root, environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    scene.home(stage)
    for step in scene.before:
        step(stage) if callable(step) else stage.run(*step)
    before, workers = contents(stage), stage.street.read()
    assert stage.run(*scene.words).code == scene.code
    return stage, before, workers, contents(stage)


def refused(stage: Stage, name: str, answer: CommandAnswer, before: dict[str, bytes]) -> None:
    """The command names the file, and the home is as before."""
    case = (name, answer.text)
    assert "file_in_use" == answer.refusal, case
    assert (2, False) == (answer.code, answer.json["changed"]), case
    assert str(stage.home / name) == answer.json["path"], case
    assert before == contents(stage), case


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A plain home."""
    made = Stage(root=tmp_path / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    return made


@pytest.mark.parametrize("scene", SAMPLE, ids=lambda scene: scene.name)
def test_a_file_that_cannot_be_read(scene: Scene, tmp_path: Path) -> None:
    """Every command but the hook refuses, after two seconds of waits, and has changed nothing."""
    stage, before, workers, _ = laid_out(scene, tmp_path / "stage")
    for name in FILES:
        if name in before:
            put(stage, before, workers)
            acts, waits = Acts(), list[float]()
            disk = KeptDisk(stage, stage.home / name, waits.append)
            answer = run_on(machine(stage, disk, KeptFs(acts, None), acts), scene.words)
            if scene.words[0] == "autostart":
                assert 0 == answer.code
            else:
                refused(stage, name, answer, before)
            assert 1.9 < sum(waits) < 2.1


@pytest.mark.parametrize("act", ["require_free", "move", "exchange"])
@pytest.mark.parametrize("scene", SAMPLE, ids=lambda scene: scene.name)
def test_a_file_that_cannot_be_replaced(scene: Scene, act: str, tmp_path: Path) -> None:
    """A command that changes the file refuses with everything undone, at whichever act it learns of it."""
    stage, before, workers, after = laid_out(scene, tmp_path / "stage")
    for name in FILES[:2]:
        if name in before and before[name] != after.get(name):
            put(stage, before, workers)
            alive = stage.street.workers
            acts = Acts()
            fs = KeptFs(acts, stage.home / name, act)
            answer = run_on(machine(stage, KeptDisk(stage, None), fs, acts), scene.words)
            if act == "require_free" or answer.code != scene.code:
                refused(stage, name, answer, before)
                assert len(alive) == len(stage.street.workers)


def test_the_session_goes_on_where_the_proxy_answers(stage: Stage) -> None:
    """The hook cannot read config.toml, takes it for one that leads to the proxy, and starts a missing worker."""
    assert 0 == stage.run(*INSTALL).code
    acts = Acts()
    for workers in (dict(stage.street.workers), {}):
        stage.street.keep(workers)
        disk = KeptDisk(stage, stage.home / "config.toml")
        answer = run_on(machine(stage, disk, KeptFs(acts, None), acts), ("autostart", "--quiet"))
        assert (0, "") == (answer.code, answer.out)
        assert 1 == len(stage.street.workers)


if sys.platform == "win32":
    from journal._windows import WindowsFs
    from tests.holding import READ, SHARES, Holder, held

    class ImpatientFs(ActingFs):
        """A file system that does not wait."""

        def __init__(self, acts: Acts) -> None:
            super().__init__(acts)
            self._fs = WindowsFs(pauses=())

    def impatient(stage: Stage, disk: MachineDisk | None = None) -> StagedHost:
        acts = Acts()
        return machine(stage, disk or KeptDisk(stage, None), ImpatientFs(acts), acts)

    def shares_for(scene: Scene, name: str) -> list[tuple[int, str]]:
        """All eight share modes in a deep session; else one with the right to read and one without, in turns."""
        if DEEP:
            return [*SHARES.items()]
        turn = SCENES.index(scene) + FILES.index(name)
        with_reading = [share for share in SHARES if share & READ]
        without = [share for share in SHARES if not share & READ]
        return [(share, SHARES[share]) for share in (with_reading[turn % 4], without[turn % 4])]

    @pytest.mark.parametrize("scene", PLAYED if DEEP else PLAYED[::3], ids=lambda scene: scene.name)
    def test_each_file_with_each_share_mode(scene: Scene, tmp_path: Path) -> None:
        """A command that cannot read or replace the file refuses with its name, and the home is as before."""
        stage, before, workers, after = laid_out(scene, tmp_path / "stage")
        for name in FILES:
            if name not in before:
                continue
            for share, words in shares_for(scene, name):
                put(stage, before, workers)
                with held(stage.home / name, share):
                    answer = run_on(impatient(stage), scene.words)
                case = (name, words, answer.text)
                is_hook = scene.words[0] == "autostart"
                needed = (not share & READ and not is_hook) or before.get(name) != after.get(name)
                if needed:
                    refused(stage, name, answer, before)
                else:
                    assert answer.code == scene.code, case

    @pytest.mark.parametrize("words", LOOKING, ids=" ".join)
    @pytest.mark.parametrize("installed", [False, True])
    def test_looking_says_so_too(words: tuple[str, ...], installed: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
        """A command that only reads names the file, and takes it neither for missing nor for damaged."""
        stage = Stage(root=tmp_path / "stage", environ=ENVIRON)
        stage.home.parent.mkdir(parents=True)
        plain(stage)
        if installed:
            assert stage.run(*INSTALL).code == 0
        for name in FILES:
            if not (stage.home / name).exists():
                continue
            for share in SHARES:
                with held(stage.home / name, share):
                    answer = run_on(impatient(stage), words)
                would_replace = words[0] == "install" and not installed and name != "auth.json"
                assert ("file_in_use" if would_replace or not share & READ else "") == (
                    "" if answer.refusal == "attention" else answer.refusal
                ), (name, share, answer.text)

    def test_a_program_that_lets_go_in_time(stage: Stage) -> None:
        """The command waits, reads the file once it is free, and succeeds."""
        with Holder(stage.home / "config.toml") as holder:
            disk = KeptDisk(stage, None, lambda _: holder.let_go())
            answer = run_on(impatient(stage, disk), INSTALL)
        assert 0 == answer.code, answer.text

    def test_the_message_has_no_holder_where_none_is_named(stage: Stage) -> None:
        """Wine names nobody; the sentence says so."""
        with held(stage.home / "config.toml", 0):
            answer = run_on(impatient(stage), ("status",))
        assert "a program that the system does not name" in json.loads(answer.out)["holder"]
