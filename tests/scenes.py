"""Every mutating command in the homes that it meets: what stood there before, what may stand there after.

A scene is played on a stage (`tests.staged`). Its photographs hold every byte, mode, owner and time below the user's
folder, so that a home can be laid out again and again at the same place, and judged from outside.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from journal import FileChange
from tests.access import mode_of, set_mode
from tests.crash import invariants
from tests.crash.world import CANARY
from tests.homes.acts import Acts
from tests.homes.computer import OLD_CODE, Worker
from tests.homes.places import leave_link
from tests.homes.site import CommandAnswer
from tests.predecessor import lay_out
from tests.staged import Stage

CODEX = ".codex"
JOURNAL = f"{CODEX}/codex-fast-proxy-journal"
STATE = f"{CODEX}/codex-fast-proxy-state"
PROXY = b"http://127.0.0.1:8787/v1"
ENVIRON = {"RELAY_KEY": CANARY.decode(), "FIXTURE_KEY": CANARY.decode()}
STAGED = re.compile(r"\..*\.\d{8}T\d{6}Z-[0-9a-f]{8}-\d")
LASTING = {"history.jsonl", "lock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name: `data` is a link's target or a file's bytes."""

    kind: int
    mode: int
    uid: int
    gid: int
    data: bytes
    mtime_ns: int
    inode: int
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def lasting(self) -> tuple[object, ...]:
        """All but what every new file has of its own."""
        return (self.kind, self.mode, self.uid, self.gid, self.data, self.xattrs)


@dataclass(frozen=True, slots=True)
class Photograph:
    """Everything below the user's folder, and the workers in the street."""

    entries: Mapping[str, Entry]
    alive: Mapping[str, Worker]

    @property
    def seen(self) -> dict[str, int]:
        return {path: entry.inode for path, entry in self.entries.items()}

    def node(self, path: str) -> Entry | None:
        return self.entries.get(path)

    def files(self) -> Iterator[tuple[str, Entry]]:
        """The regular files, by path."""
        return ((path, entry) for path, entry in self.entries.items() if entry.kind == stat.S_IFREG)

    def everything(self) -> dict[str, tuple[object, ...]]:
        """All names but the journal's and the hook's diary, as far as they last."""
        apart = (JOURNAL, f"{STATE}/state/fast_proxy.autostart")
        return {path: entry.lasting for path, entry in self.entries.items() if not path.startswith(apart)}

    @property
    def proxied(self) -> bool:
        return any(path.endswith("config.toml") and PROXY in entry.data for path, entry in self.files())


def photograph(stage: Stage) -> Photograph:
    user = stage.home.parent
    entries = {}
    for folder, folders, names in os.walk(user):
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]  # noqa: PTH114 - many thousand times
        for path in [folder, *(f"{folder}/{name}" for name in (*names, *links))]:
            entries[os.path.relpath(path, user).replace(os.sep, "/")] = _entry(path)
    return Photograph(entries, stage.street.workers)


def _entry(path: str) -> Entry:
    stat_result = os.lstat(path)
    kind = stat.S_IFMT(stat_result.st_mode)
    data = b""
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            data = file.read()
    elif kind == stat.S_IFLNK:
        data = os.readlink(path).encode()  # noqa: PTH115 - as above
    return Entry(
        kind=kind,
        mode=mode_of(path),
        uid=stat_result.st_uid,
        gid=stat_result.st_gid,
        data=data,
        mtime_ns=0 if kind == stat.S_IFDIR else stat_result.st_mtime_ns,
        inode=stat_result.st_ino,
        xattrs=attributes_of(path) if kind == stat.S_IFREG else (),
    )


def lay(stage: Stage, photo: Photograph) -> None:
    """Make the home what the photograph shows, whatever it is now."""
    user = stage.home.parent
    shutil.rmtree(user, ignore_errors=True)
    for name, entry in sorted(photo.entries.items()):
        path = user / name
        if entry.kind == stat.S_IFDIR:
            path.mkdir(parents=True)
            set_mode(path, entry.mode)
        elif entry.kind == stat.S_IFLNK:
            path.symlink_to(entry.data.decode())
        else:
            path.write_bytes(entry.data)
            set_mode(path, entry.mode)
            if sys.platform == "linux":
                for attribute, value in entry.xattrs:
                    os.setxattr(path, attribute, value)
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
    stage.street.keep(dict(photo.alive))


# ---- Homes -----------------------------------------------------------------------------------------------------

CONFIG = """\
# the user's own words
model = "gpt-5.5"
model_provider = "relay"

[model_providers.relay]
name = "Relay"   # mine
base_url = "https://relay.example/v1"
env_key = "RELAY_KEY"

[mcp_servers.notes]
command = "notes"
env = { TOKEN = "CANARY" }
""".replace("CANARY", CANARY.decode())
HOOKS = """{"hooks": {"SessionStart": [
  {"hooks": [{"type": "command", "command": "true", "timeout": 5}]}],
 "Stop": []}, "description": "mine"}
"""


def plain(stage: Stage) -> None:
    """A config.toml and a login."""
    home = stage.home
    home.mkdir(parents=True)
    _write(home / "config.toml", CONFIG)
    _write(home / "auth.json", json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": CANARY.decode()}))


def dotfiles(stage: Stage) -> None:
    """A config that is a link into somebody's dotfiles, readable for the group, and hooks that Codex trusts."""
    plain(stage)
    files = stage.home.parent / "dotfiles"
    files.mkdir()
    config = stage.home / "config.toml"
    _write(config, CONFIG.replace("\n", "\r\n"), 0o640)
    leave_link(config, files / "config.toml", Path("../dotfiles/config.toml"))
    _write(stage.home / "hooks.json", HOOKS, 0o644)
    with_attributes(config)


def with_attributes(path: Path) -> None:
    """An extended attribute, where the file system has them."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setxattr(path, "user.note", b"kept")


def attributes_of(path: str) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of a file, where Python can read them."""
    if sys.platform == "linux":
        return tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)))
    return ()


def predecessor(stage: Stage) -> None:
    """Lay out the home that codex-fast-proxy 0.1.0 leaves."""
    stage.home.mkdir(parents=True)
    lay_out(stage.home)
    for path in stage.home.rglob("*"):
        set_mode(path, mode_of(path) & 0o700)  # else a command makes them private, whatever becomes of it
        if path.is_file():
            os.utime(path, ns=(4711_000, 4711_000))


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_bytes(text.encode())
    set_mode(path, mode)
    os.utime(path, ns=(4711_000, 4711_000))


# ---- What happens between the acts -------------------------------------------------------------------------------


def worker_dies(stage: Stage) -> None:
    stage.street.keep({})


def worker_ages(stage: Stage) -> None:
    """The worker runs code that was replaced since."""
    stage.street.change(runtime_id=OLD_CODE)


def user_edits(stage: Stage) -> None:
    config = stage.home / "config.toml"
    config.write_bytes(config.read_bytes() + b"\n[tui]\nnotifications = true\n")


def user_points_elsewhere(stage: Stage) -> None:
    config = stage.home / "config.toml"
    config.write_bytes(config.read_bytes().replace(PROXY, b"https://elsewhere.example/v1"))


def record_is_lost(stage: Stage) -> None:
    shutil.rmtree(stage.home / "codex-fast-proxy-state")
    worker_dies(stage)


# ---- Scenes ------------------------------------------------------------------------------------------------------

INSTALL = ("install", "--start", "--no-verify")
MOVE = ("set-upstream", "--no-verify", "--upstream-base", "https://other.example/v1")
Step = tuple[str, ...] | Callable[[Stage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A command, and what comes before it.

    retires  it ends with deletes that are finished forward and have no way back
    code     its exit code
    """

    name: str
    home: Callable[[Stage], None]
    before: tuple[Step, ...] = ()
    words: tuple[str, ...]
    retires: bool = False
    code: int = 0


SCENES = (
    Scene(name="install", home=plain, words=INSTALL),
    Scene(name="install, dotfiles", home=dotfiles, words=INSTALL),
    Scene(name="install, prepare only", home=plain, words=("install", "--prepare-only", "--no-verify")),
    Scene(name="install over a stale worker", home=plain, before=(INSTALL, worker_ages), words=INSTALL),
    Scene(name="install after an edit", home=dotfiles, before=(INSTALL, user_edits), words=INSTALL),
    Scene(name="install after a removal", home=plain, before=(INSTALL, ("uninstall", "--defer-stop")), words=INSTALL),
    Scene(name="takeover", home=predecessor, words=INSTALL),
    Scene(name="set-upstream", home=dotfiles, before=(INSTALL,), words=MOVE),
    Scene(name="set-upstream --restart", home=plain, before=(INSTALL,), words=(*MOVE, "--restart")),
    Scene(
        name="set-upstream to a saved key",
        home=plain,
        before=(INSTALL, ("prepare-chatgpt-login", "--apply")),
        words=("set-upstream", "--no-verify", "--use-provider-auth-file"),
    ),
    Scene(name="prepare-chatgpt-login", home=plain, words=("prepare-chatgpt-login", "--apply")),
    Scene(
        name="prepare-chatgpt-login, on", home=dotfiles, before=(INSTALL,), words=("prepare-chatgpt-login", "--apply")
    ),
    Scene(name="start", home=plain, before=(INSTALL, worker_dies), words=("start",)),
    Scene(name="start over a stale worker", home=plain, before=(INSTALL, worker_ages), words=("start",)),
    Scene(name="autostart", home=plain, before=(INSTALL, worker_dies), words=("autostart", "--quiet")),
    Scene(name="autostart after set-upstream", home=plain, before=(INSTALL, MOVE), words=("autostart", "--quiet")),
    Scene(name="stop", home=plain, before=(INSTALL, ("uninstall", "--defer-stop")), words=("stop",), retires=True),
    Scene(name="stop --force", home=plain, before=(INSTALL,), words=("stop", "--force"), retires=True),
    Scene(name="uninstall", home=plain, before=(INSTALL,), words=("uninstall",), retires=True),
    Scene(
        name="uninstall, dotfiles", home=dotfiles, before=(INSTALL, user_edits), words=("uninstall",), retires=True
    ),
    Scene(
        name="uninstall, conflict", home=plain, before=(INSTALL, user_points_elsewhere), words=("uninstall",), code=3
    ),
    Scene(name="uninstall --defer-stop", home=dotfiles, before=(INSTALL,), words=("uninstall", "--defer-stop")),
    Scene(
        name="uninstall --keep-state",
        home=plain,
        before=(INSTALL,),
        words=("uninstall", "--keep-state"),
        retires=True,
    ),
    Scene(
        name="uninstall for good",
        home=dotfiles,
        before=(INSTALL, ("uninstall", "--defer-stop")),
        words=("uninstall",),
        retires=True,
    ),
    Scene(name="uninstall 0.1.0", home=predecessor, words=("uninstall",), retires=True),
    Scene(name="recover without a record", home=plain, before=(INSTALL, record_is_lost), words=("recover",)),
)


@dataclass(kw_only=True)
class Play:
    """A scene that was played once to its end: what it looks like before, after, and how many acts it has."""

    scene: Scene
    stage: Stage
    was: Photograph
    then: Photograph
    acts: list[str] = field(default_factory=list)

    def rewind(self, to: Photograph | None = None) -> None:
        """Lay the home out as it was before the command, or a little later; `was` then has the inodes of now."""
        lay(self.stage, to or self.was)
        self.was = photograph(self.stage)

    def perform(self, acts: Acts) -> CommandAnswer:
        return self.stage.run(*self.scene.words, acts=acts)

    def recover(self, acts: Acts | None = None) -> CommandAnswer:
        return self.stage.run("recover", acts=acts)

    @property
    def root(self) -> Path:
        return Path(JOURNAL)

    def is_lasting(self, path: str) -> bool:
        """Whether a file that is there before has to be there afterwards."""
        return path not in self.gone

    @cached_property
    def gone(self) -> set[str]:
        return {*self.was.entries} - {*self.then.entries}

    # ---- Judging -------------------------------------------------------------------------------------------------

    def targets(self) -> Iterator[tuple[str, FileChange]]:
        """Every file that the command changes, by where it really lies."""
        for path in {*dict(self.was.files()), *dict(self.then.files())}:
            if path.startswith(JOURNAL):
                continue
            before, after = self.was.node(path), self.then.node(path)
            data = tuple(None if entry is None else entry.data for entry in (before, after))
            yield path, FileChange(path=Path(path), before=data[0], after=data[1])

    def complaints(self, recovery: CommandAnswer) -> list[str]:
        """Return the violations of the invariants after a `recover` with this output."""
        now = photograph(self.stage)
        own = {path for path, change in self.targets() if CANARY in (change.before or b"")}
        return [
            *self.i1_all_before_or_all_after(now),
            *self.i3_no_proxied_config_without_worker(now, recovery),
            *self.i4_nothing_left(now),
            *invariants.i5_secrets_stay_private(now, own),
            *([f"I5: output {recovery.out}{recovery.err}"] if CANARY.decode() in recovery.out + recovery.err else []),
            *(invariants.i7_untouched_stays_itself(self, self.was, now)),
        ]

    def i1_all_before_or_all_after(self, now: Photograph) -> list[str]:
        """Every name is as before, or every name is as after; what a retirement deletes may be gone by half."""
        was, then, current = self.was.everything(), self.then.everything(), now.everything()
        if current in (was, then):
            return []
        if self.scene.retires:
            doomed = {path for path in {*was, *current} if path not in then}
            if all(path.startswith(STATE) or path == f"{CODEX}/hooks.json" for path in doomed):
                kept = {path: entry for path, entry in current.items() if path not in doomed}
                if kept == then and {*current} <= {*was, *then}:
                    return []
        wrong = [path for path in {*was, *then, *current} if current.get(path) not in {was.get(path), then.get(path)}]
        return [
            f"I1: mixed; like neither: {sorted(wrong)}; like the old: {_like(current, was)}; {_like(current, then)}"
        ]

    def i3_no_proxied_config_without_worker(self, now: Photograph, recovery: CommandAnswer) -> list[str]:
        """Codex is not pointed at a proxy that is not there, or `recover` says so; and no worker is left over."""
        report = recovery.json
        complaints = []
        if (
            now.proxied
            and not now.alive
            and not self.scene.retires
            and report["state"] in {"enabled", "enabled_pending"}
        ):
            complaints.append(f"I3: {report['state']}, and no worker")
        least, most = sorted([len(self.was.alive), len(self.then.alive)])
        if not least <= len(now.alive) <= most:
            complaints.append(f"I3: {len(now.alive)} workers, where there were {least} or {most}")
        return complaints

    def i4_nothing_left(self, now: Photograph) -> list[str]:
        """No staged file, image or open log."""
        left = []
        for path in now.entries:
            name = path.rpartition("/")[2]
            in_journal = path.startswith(f"{JOURNAL}/")
            if (in_journal and name not in LASTING) or (not in_journal and STAGED.match(name)):
                left.append(path)
        return [f"I4: {left} are left"] if left else []


def _like(entries: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return sorted(path for path in {*entries, *other} if entries.get(path) == other.get(path))


def play(scene: Scene, root: Path) -> Play:
    """Lay the scene out below `root` and play it once to its end."""
    return play_on(Stage(root=root, environ=ENVIRON), scene)


def play_on(stage: Stage, scene: Scene) -> Play:
    """Play the scene on the caller's stage."""
    stage.home.parent.mkdir(parents=True)
    scene.home(stage)
    for step in scene.before:
        if callable(step):
            step(stage)
        else:
            ran = stage.run(*step)
            assert ran.code == 0, (scene.name, ran)
    was = photograph(stage)
    acts = Acts()
    ran = stage.run(*scene.words, acts=acts)
    assert ran.code == scene.code, (scene.name, ran)
    return Play(scene=scene, stage=stage, was=was, then=photograph(stage), acts=acts.names)
