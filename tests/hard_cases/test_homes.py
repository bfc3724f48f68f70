"""Homes that are not simply a folder with two files in it: links, modes, owners, other things in a file's place."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.access import set_mode
from tests.homes.acts import Acts, refused
from tests.homes.site import CommandAnswer
from tests.odd_files import ODD_FILES
from tests.scenes import ENVIRON, INSTALL, MOVE, PROXY, dotfiles, photograph, plain, with_attributes
from tests.staged import Stage, in_a_child
from tests.systems import WINDOWS

NOBODY = 65_534  # a user that owns nothing here
MEMORY = Path("/dev/shm")
MUTATING = (INSTALL, MOVE, ("uninstall",), ("prepare-chatgpt-login", "--apply"), ("recover",), ("start",), ("stop",))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A plain home."""
    made = Stage(root=tmp_path / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    return made


def whole_circle(stage: Stage) -> None:
    """On and off again: every byte, mode, owner, attribute and link is as it was."""
    before = photograph(stage)
    on = stage.run(*INSTALL)
    assert on.code == 0, on.out
    assert any(PROXY in entry.data for _, entry in photograph(stage).files())
    off = stage.run("uninstall")
    assert off.code == 0, off.out
    mine = {path: entry for path, entry in photograph(stage).everything().items() if "backups" not in path}
    assert before.everything() == mine


def untouched(stage: Stage, *words: str) -> CommandAnswer:
    """A command that must refuse, and leave every name as it is, down to the inode."""
    before = photograph(stage)
    answer = stage.run(*words)
    after = photograph(stage)
    assert answer.code not in {0, 6, 70}, answer.out
    assert answer.json["changed"] is False
    assert before.everything() == after.everything()
    assert dict(before.seen) == {path: inode for path, inode in after.seen.items() if path in before.seen}
    return answer


# ---- Links -------------------------------------------------------------------------------------------------------


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_chain_of_links(stage: Stage) -> None:
    """Relative, absolute and through a linked folder: the last file is switched, the links stay."""
    user, config = stage.home.parent, stage.home / "config.toml"
    (user / "real" / "deep").mkdir(parents=True)
    (user / "folder").symlink_to("real", target_is_directory=True)
    config.rename(user / "real" / "deep" / "codex.toml")
    (user / "second").symlink_to(user / "folder" / "deep" / "codex.toml")
    (user / "first").symlink_to("second")
    config.symlink_to(Path("../first"))
    whole_circle(stage)


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
@pytest.mark.parametrize("words", [*MUTATING[:3], ("install", "--prepare-only", "--no-verify")], ids=" ".join)
def test_a_cycle_of_links_is_refused(stage: Stage, words: tuple[str, ...]) -> None:
    """There is no file to switch, and none to make: Codex would replace the link."""
    config = stage.home / "config.toml"
    config.unlink()
    config.symlink_to("other.toml")
    (stage.home / "other.toml").symlink_to("config.toml")
    if words[0] != "uninstall":
        untouched(stage, *words)
        return
    before = photograph(stage).everything()
    stage.run(*words)
    assert before == photograph(stage).everything()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_cycle_after_the_install(stage: Stage) -> None:
    """Somebody breaks the link while we are on: nothing is touched, and mending it lets the uninstall go on."""
    before = (stage.home / "config.toml").read_bytes()
    assert stage.run(*INSTALL).code == 0
    config = stage.home / "config.toml"
    kept = stage.home / "kept.toml"
    config.rename(kept)
    config.symlink_to("config.toml")
    untouched(stage, "uninstall")
    config.unlink()
    kept.rename(config)
    assert stage.run("uninstall").code == 0
    assert before == config.read_bytes()


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_hooks_behind_a_dangling_link(stage: Stage) -> None:
    """The file is made where the link leads, and taken away again; the link is the user's."""
    (stage.home.parent / "dotfiles").mkdir()
    (stage.home / "hooks.json").symlink_to(Path("../dotfiles/hooks.json"))
    whole_circle(stage)


@pytest.mark.beyond_wine("symbolic links, which Wine 8 does not make")
def test_a_home_that_is_a_link(stage: Stage) -> None:
    """~/.codex itself may lead elsewhere."""
    stage.home.rename(stage.home.parent / "elsewhere")
    stage.home.symlink_to("elsewhere", target_is_directory=True)
    whole_circle(stage)


@pytest.mark.parametrize("name", ["config.toml", "hooks.json"])
def test_hard_links_are_refused(stage: Stage, name: str) -> None:
    """A rename would part the two names, and nobody would see it."""
    dotfiles_of(stage)
    path = stage.home / name
    path.hardlink_to(stage.home.parent / name) if not path.exists() else os.link(path, stage.home.parent / name)
    error = untouched(stage, *INSTALL).json
    assert ("file_not_replaceable", str(path)) == (error["code"], error["path"])


def dotfiles_of(stage: Stage) -> None:
    (stage.home / "hooks.json").write_text('{"hooks": {}}')


# ---- What a file keeps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o700])
def test_modes_and_attributes_are_kept(stage: Stage, mode: int) -> None:
    """On and off, the files have the modes and attributes that they had."""
    (stage.home / "hooks.json").write_text('{"hooks": {}}')
    for name in ("config.toml", "hooks.json"):
        with_attributes(stage.home / name)
        set_mode(stage.home / name, mode)
    before = photograph(stage)
    assert stage.run(*INSTALL).code == 0
    on = photograph(stage)
    for path in (".codex/config.toml", ".codex/hooks.json"):
        old, new = before.entries[path], on.entries[path]
        assert (old.mode, old.xattrs) == (new.mode, new.xattrs)
        assert old.data != new.data
    assert stage.run("uninstall").code == 0
    shutil.rmtree(stage.home / "backups")
    assert before.everything() == photograph(stage).everything()


def test_times_are_kept_where_nothing_changes(stage: Stage) -> None:
    """A command that fails, or has nothing to change, leaves the times of the user's files; a switch is a change."""
    times = {path: entry.mtime_ns for path, entry in photograph(stage).files()}
    swapped = stage.run(*INSTALL, acts=Acts(60, refused(errno.EIO)))
    assert ("storage_failed", False) == (swapped.json["code"], swapped.json["changed"])
    stage.run("uninstall")
    assert times == {path: entry.mtime_ns for path, entry in photograph(stage).files()}


@pytest.mark.posix("a file system in memory, and links to it")
def test_a_home_on_another_device(stage: Stage) -> None:
    """config.toml is a link to a file on another file system than the journal's."""
    if not os.access(MEMORY, os.W_OK) or MEMORY.stat().st_dev == stage.home.stat().st_dev:
        pytest.skip("there is only one file system here")
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        config = stage.home / "config.toml"
        other = folder / "config.toml"
        shutil.copy2(config, other)
        before = other.read_bytes()
        config.unlink()
        config.symlink_to(other)
        assert stage.run(*INSTALL).code == 0
        assert before != other.read_bytes()
        assert stage.run("uninstall").code == 0
        assert before == other.read_bytes()
        assert [other] == list(folder.iterdir())
        assert config.is_symlink()
    finally:
        shutil.rmtree(folder)


# ---- What does not parse, and what is no file --------------------------------------------------------------------

BROKEN = {
    "not TOML": ("config.toml", b'model = "gpt\n[', "config_unparseable"),
    "not UTF-8": ("config.toml", b'model = "\xff\xfe"\n', "config_unparseable"),
    "UTF-16": ("config.toml", 'model = "gpt"\n'.encode("utf-16"), "config_unparseable"),
    "a zero byte": ("config.toml", b'model = "a"\n\x00', "config_unparseable"),
    "twice the same key": ("config.toml", b"a = 1\na = 2\n", "config_unparseable"),
    "not JSON": ("hooks.json", b"{", "hooks_unparseable"),
    "hooks not UTF-8": ("hooks.json", b'{"hooks": {}, "description": "\xff"}', "hooks_unparseable"),
    "hooks of another shape": ("hooks.json", b"[]", "hooks_unparseable"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_does_not_parse_is_refused(stage: Stage, how: str) -> None:
    """Neither an install nor an uninstall touches anything; both name the file."""
    name, content, code = BROKEN[how]
    path = stage.home / name
    path.write_bytes(content)
    error = untouched(stage, *INSTALL).json
    assert (code, str(path)) == (error["code"], error["path"])


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_that_somebody_broke_while_we_are_on(stage: Stage, how: str) -> None:
    """Nothing is touched but at the user's word; the broken file stays where it is, and mending it lets us leave."""
    before = (stage.home / "config.toml").read_bytes()
    assert stage.run(*INSTALL).code == 0
    name, content, code = BROKEN[how]
    path = stage.home / name
    good = path.read_bytes()
    path.write_bytes(content)
    for words in (("uninstall",), ("uninstall", "--defer-stop"), MOVE, INSTALL):
        assert code == untouched(stage, *words).json["code"]
    assert 1 == len(stage.street.workers)
    path.write_bytes(good)
    assert stage.run("uninstall").code == 0
    assert before == (stage.home / "config.toml").read_bytes()


PLACES = (
    *("config.toml", "hooks.json", "auth.json", ".env", "work.config.toml"),
    *("codex-fast-proxy-state/settings.json", "codex-fast-proxy-state/provider-auth.json"),
    *("codex-fast-proxy-state/install-manifest.json", "codex-fast-proxy-state/state/fast_proxy.jsonl"),
)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("make", ODD_FILES)
def test_something_else_in_a_files_place(stage: Stage, name: str, make: Callable[[Path], None]) -> None:
    """No command waits for ever, takes it away, or answers with a bug."""
    path = stage.home / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.unlink(missing_ok=True)
    make(path)
    kind = stat.S_IFMT(path.lstat().st_mode)
    for words in (*MUTATING, ("status",), ("doctor",), ("logs",)):
        if words == ("uninstall",) and "state" in name:
            continue  # names in the folder that is all ours are ours
        answer = stage.run(*words)
        assert answer.code in {0, 2, 3}, (words, answer.out)
        assert kind == stat.S_IFMT(path.lstat().st_mode), words


def test_the_states_folder_is_a_file(stage: Stage) -> None:
    """A file in the place of the state folder is the user's: it stays."""
    (stage.home / "codex-fast-proxy-state").write_text("mine")
    set_mode(stage.home / "codex-fast-proxy-state", 0o600)
    assert untouched(stage, *INSTALL).json["code"] == "record_unreadable"


# ---- Modes that say no: as another user, since root is not asked --------------------------------------------------


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Stage]:
    """A plain home of a user who is not root; what is loaded late is loaded before he comes, who may not read it."""
    root = Path(tempfile.mkdtemp(prefix="cfp-tests-"))
    root.chmod(0o755)
    made = Stage(root=root / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    for words in (("status",), INSTALL, ("uninstall",)):
        made.run(*words)
    yield made
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(root)


def as_another(stage: Stage, act: Callable[[], int]) -> int:
    """Run something as the home's owner, who is not root."""
    if WINDOWS:  # what is read-only there is so for everybody
        return act()
    if os.geteuid() == 0:
        for path in (stage.root, *stage.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def drop_and_act() -> object:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return act()

    return in_a_child(drop_and_act)


def refused_as_another(stage: Stage, *words: str) -> CommandAnswer:
    """Run a command as that user, assert that it is refused and changes nothing, and return its answer."""
    before = photograph(stage)
    output = stage.root / "said"
    output.touch()

    def act() -> int:
        answer = stage.run(*words)
        output.write_text(answer.out)
        return answer.code

    if words == INSTALL:  # the dry run tells the truth
        assert "planned" != refused_as_another(stage, *INSTALL, "--dry-run").status
    code = as_another(stage, act)
    after = photograph(stage)
    answer = CommandAnswer(code=code, out=output.read_text())
    assert answer.code not in {0, 6, 70, 99}, answer.out
    kept = {path: (*entry[:2], *entry[4:]) for path, entry in after.everything().items()}
    assert {path: (*entry[:2], *entry[4:]) for path, entry in before.everything().items()} == kept
    return answer


@pytest.mark.parametrize("name", ["config.toml", "hooks.json"])
def test_a_read_only_file_is_refused(another: Stage, name: str) -> None:
    """A rename would override the mode without a word."""
    dotfiles_of(another)
    path = another.home / name
    path.chmod(0o444)
    error = refused_as_another(another, *INSTALL).json
    assert ("file_not_replaceable", str(path)) == (error["code"], error["path"])


@pytest.mark.posix("rights that even the owner of a file lacks")
def test_an_unreadable_config_is_refused(another: Stage) -> None:
    """A file that we may not read is not one that is not there."""
    (another.home / "config.toml").chmod(0o000)
    error = refused_as_another(another, *INSTALL).json
    assert "record_unreadable" == error["code"]
    assert "Permission denied" in error["error"]
    assert "TOML" not in error["error"]


@pytest.mark.posix("rights that even the owner of a file lacks")
def test_a_folder_without_write_permission_is_refused(another: Stage) -> None:
    """Nothing can be made there, and the answer says so."""
    another.home.chmod(0o500)
    error = refused_as_another(another, *INSTALL).json
    assert "storage_failed" == error["code"]
    assert "Permission denied" in error["error"]


@pytest.mark.posix("rights that even the owner of a file lacks")
def test_dotfiles_in_a_folder_without_write_permission(another: Stage) -> None:
    """The links may be ours to change; the folder that they lead to is not."""
    shutil.rmtree(another.home.parent)
    another.home.parent.mkdir()
    dotfiles(another)
    (another.home.parent / "dotfiles").chmod(0o500)
    error = refused_as_another(another, *INSTALL).json
    assert error["code"] in {"storage_failed", "file_not_replaceable"}


@pytest.mark.posix("rights that even the owner of a file lacks")
@pytest.mark.parametrize("lost", ["install-manifest.json", "settings.json", "the backup"])
def test_a_record_that_cannot_be_read_is_not_one_that_is_gone(another: Stage, lost: str) -> None:
    """It holds what gives the user's bytes back: nothing goes on without it, and with it they come back."""
    before = (another.home / "config.toml").read_bytes()
    assert another.run(*INSTALL).code == 0
    newest = max((another.home / "backups" / "codex-fast-proxy").iterdir())
    path = newest if lost == "the backup" else another.layout.state / lost
    path.chmod(0o000)
    for words in (("uninstall",), MOVE, INSTALL):
        error = refused_as_another(another, *words).json
        assert ("record_unreadable", str(path)) == (error["code"], error["path"])
    path.chmod(0o600)
    assert as_another(another, lambda: another.run("uninstall").code) == 0
    assert before == (another.home / "config.toml").read_bytes()
