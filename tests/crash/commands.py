"""Every command that changes something, as a command line of the real program in a home in memory.

Earlier command lines make the world before a command. The world after an undisturbed run is the planned one; so every
file is as before or as planned, and all of them agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cfp.core.settings import parse_settings
from cfp.layout import Layout
from journal import FileChange, Recovery
from tests import predecessor
from tests.crash.simfs import SimFs, below, key_of
from tests.crash.story import Outcome
from tests.crash.world import HOME
from tests.homes.computer import OLD_CODE, Computer
from tests.homes.places import MemoryHome
from tests.homes.site import CommandAnswer, recover_on, run_line

LAYOUT = Layout(HOME)
CONFIG = b"""\
# canary-sk-0123456789
model = "gpt-5.5"
model_provider = "relay"

[model_providers.relay]
name = "Relay"   # mine
base_url = 'https://relay.example/v1'
env_key = "RELAY_KEY"
"""
HOOKS = b"""\
{
  "hooks": {
    "SessionStart": [
      {"hooks": [{"type": "command", "command": "say hello"}]}
    ]
  }
}
"""
INSTALL = "install --start --no-verify"
Home = Callable[[], tuple[SimFs, Computer]]
Act = str | Callable[[SimFs, Computer], None]


def plain() -> tuple[SimFs, Computer]:
    fs = SimFs()
    fs.add_folder(HOME)
    fs.add_file(LAYOUT.config, CONFIG, 0o640, mtime_ns=4711, xattrs=(("user.note", b"kept"),))
    fs.add_file(LAYOUT.hooks, HOOKS, mtime_ns=4711)
    fs.add_file(LAYOUT.auth, b'{"OPENAI_API_KEY": "canary-sk-0123456789"}', mtime_ns=4711)
    return fs, Computer(home=HOME)


def linked() -> tuple[SimFs, Computer]:
    """Return a home whose config.toml is a link into a folder of the user's, without hooks.json."""
    fs = SimFs()
    fs.add_folder(HOME)
    fs.add_folder(HOME / "dotfiles")
    fs.add_file(HOME / "dotfiles" / "codex.toml", CONFIG, mtime_ns=4711)
    fs.add_link(LAYOUT.config, HOME / "dotfiles" / "codex.toml")
    return fs, Computer(home=HOME)


def of_0_1_0() -> tuple[SimFs, Computer]:
    """Return a home that version 0.1.0 enabled; its worker runs."""
    fs, computer = SimFs(), Computer(home=HOME)
    for folder in (HOME, LAYOUT.state, LAYOUT.worker, LAYOUT.backups.parent, LAYOUT.backups):
        fs.add_folder(folder)
    for path, data in predecessor.files(HOME).items():
        fs.add_file(path, data, mtime_ns=4711)
    computer.serve(parse_settings(fs.data(LAYOUT.settings) or b""), "", OLD_CODE)
    fs.add_file(LAYOUT.pid_file, b"%d\n" % computer.last_pid)
    return fs, computer


def leftover() -> tuple[SimFs, Computer]:
    """Return the home of a 0.1.0 that was killed after it had switched the config: no record of that exists."""
    fs, computer = of_0_1_0()
    for path in (LAYOUT.settings, LAYOUT.manifest, LAYOUT.pid_file):
        fs.delete(path)
    computer.keep({})
    return fs, computer


def reboot(fs: SimFs, computer: Computer) -> None:
    computer.keep({})
    fs.delete(LAYOUT.pid_file)


def new_code(fs: SimFs, computer: Computer) -> None:
    computer.change(runtime_id=OLD_CODE)


EDIT = b'\n[projects."/work"]\ntrust_level = "trusted"\n'


def edit_by_codex(fs: SimFs, computer: Computer) -> None:
    """Store a setting as Codex does."""
    fs.edit(LAYOUT.config, (fs.data(LAYOUT.config) or b"") + EDIT)


# The user's own files in each home: config.toml, and the possible contents of hooks.json.
USERS: dict[Home, tuple[bytes, frozenset[bytes | None]]] = {
    plain: (CONFIG, frozenset({HOOKS})),
    linked: (CONFIG, frozenset({None})),
    of_0_1_0: (predecessor.BEFORE, frozenset({None})),
    leftover: (predecessor.BEFORE, frozenset({None})),
}


def on(fs: SimFs) -> MemoryHome:
    """Return the home of every command here, with these files."""
    return MemoryHome(layout=LAYOUT, fs=fs)


@dataclass(frozen=True)
class Command:
    """One command line, run in a prepared home; see `story.Story`.

    cannot_relaunch  the worker that it stops cannot be started again
    """

    name: str
    home: Home
    before: tuple[Act, ...]
    line: str
    cannot_relaunch: bool = False

    root = LAYOUT.journal

    @cached_property
    def _start(self) -> tuple[SimFs, Computer]:
        fs, computer = self.home()
        for act in self.before:
            if callable(act):
                act(fs, computer)
            else:
                answer = run_line(on(fs), computer, act)
                assert answer.code == 0, answer.text
        fs.sync_all()
        return fs, computer

    @cached_property
    def _end(self) -> tuple[SimFs, Computer]:
        fs, computer = self.world(), self.machine()
        answer = self.say(fs, computer)
        assert answer.code in {0, 3}, answer.text
        return fs, computer

    def world(self) -> SimFs:
        return self._start[0].after_kill()

    def machine(self) -> Computer:
        return self._start[1].copy()

    def say(self, fs: SimFs, computer: Computer) -> CommandAnswer:
        return run_line(on(fs), computer, self.line)

    def play(self, fs: SimFs, machine: Computer) -> Outcome | None:
        return self.say(fs, machine).outcome

    def recover(self, fs: SimFs, machine: Computer, *, boot: str) -> Recovery:
        return recover_on(on(fs), machine)

    def targets(self) -> Iterator[tuple[str, FileChange]]:
        """Return the files that the command changes, without the worker's and those that are only deleted."""
        return iter(self._targets)

    @cached_property
    def _targets(self) -> tuple[tuple[str, FileChange], ...]:
        was, will = self._start[0], self._end[0]
        changes = []
        for path in sorted({path for path, _ in (*was.files(), *will.files())}):
            before, after = was.data(path), will.data(path)
            forward_only = after is None and path.startswith((below(LAYOUT.state), below(LAYOUT.backups)))
            if before != after and not forward_only and not path.startswith((below(self.root), below(LAYOUT.worker))):
                mode = getattr(will.node(path), "mode", 0o600)
                changes.append((path, FileChange(path=Path(path), before=before, after=after, mode=mode)))
        return tuple(changes)

    def owned(self) -> set[str]:
        return {path for path, _ in (*self._start[0].files(), *self._targets)}

    def is_lasting(self, path: str) -> bool:
        return self._end[0].node(path) is not None and not path.startswith(below(LAYOUT.worker))

    def theirs(self) -> tuple[frozenset[bytes], frozenset[bytes | None]]:
        """Return the images of config.toml and hooks.json that an uninstall may leave.

        A set-upstream moves the URL for good, and in its own spelling.
        """
        text, hooks = USERS[self.home]
        texts = {text + EDIT if edit_by_codex in self.before else text}
        moved = {one.replace(OLD_URL, NEW_URL) for one in texts}
        return frozenset(texts | moved | {one.replace(b"'%b'" % NEW_URL, b'"%b"' % NEW_URL) for one in moved}), hooks

    def is_done(self, now: SimFs) -> bool:
        return bool(self._targets) and all(now.data(path) == change.after for path, change in self._targets)

    def empty_folders(self, now: SimFs) -> list[str]:
        """Return new folders that are empty, and not those of a finished command."""
        if self.is_done(now):
            return []
        new = [path for path in now.folders() if now.is_empty(path) and self._start[0].node(path) is None]
        return [path for path in new if path != key_of(self.root)]

    def wrong_workers(self, now: SimFs, machine: Computer) -> list[str]:
        """Check that config points at a running worker, and that every worker is from before or from this command."""
        before, after = self._start[1], self._end[1]
        known = {worker.settings for one in (before, after) for worker in one.workers.values()}
        running = machine.workers.items()
        complaints = [f"{nonce} serves what nobody asked for" for nonce, one in running if one.settings not in known]
        if len(machine.workers) > 1:
            complaints.append("two workers run")
        points = b"http://127.0.0.1:8787/v1" in (now.data(now.led_to(LAYOUT.config)) or b"")
        if points and before.workers and not machine.workers and not self.cannot_relaunch:
            complaints.append("Codex is pointed at nobody")
        if not points and machine.workers and not before.workers and self.points_afterwards:
            complaints.append("a worker outlives its transaction")
        return complaints

    @cached_property
    def points_afterwards(self) -> bool:
        will = self._end[0]
        return b"http://127.0.0.1:8787/v1" in (will.data(will.led_to(LAYOUT.config)) or b"")


OLD_URL, NEW_URL = b"https://relay.example/v1", b"https://other.example/v1"
SET = f"set-upstream --upstream-base {NEW_URL.decode()} --no-verify"
LATER = "uninstall --defer-stop"
ADD_OTHER = f"upstream add other --upstream-base {NEW_URL.decode()} --upstream-api-key-env OTHER_KEY"
REMOVE = "upstream remove main"
CATALOGUE = f"{INSTALL} --catalogue"
USE_OTHER = "upstream use other --no-verify"
SAVE_BOTH = ("upstream add main", ADD_OTHER)
KEEP_KEY = ("prepare-chatgpt-login --apply", "set-upstream --use-provider-auth-file --restart --no-verify")
RULE = "fast add --kind subagent --action remove --restart"
# fmt: off
COMMANDS = (
    #       name                               home      before              line
    Command("install",                         plain,    (),                 INSTALL),
    Command("install through a link",          linked,   (),                 INSTALL),
    Command("install --prepare-only",          plain,    (),                 "install --prepare-only --no-verify"),
    Command("install over an older worker",    plain,    (INSTALL, new_code, edit_by_codex), INSTALL),
    Command("install beside the right worker", plain,    (INSTALL, LATER),   INSTALL),
    Command("install --no-catalogue",          plain,    (CATALOGUE,),       f"{INSTALL} --no-catalogue"),
    Command("install --codex-key-env",         plain,    (INSTALL,),         f"{INSTALL} --codex-key-env OTHER_KEY"),
    Command("set-upstream",                    plain,    (INSTALL,),         SET),
    Command("set-upstream --restart",          plain,    (INSTALL,),         f"{SET} --restart"),
    Command("fast add --restart",              plain,    (INSTALL,),         RULE),
    Command("prepare-chatgpt-login",           plain,    (INSTALL,),         "prepare-chatgpt-login --apply"),
    Command("upstream add",                    plain,    (INSTALL, *KEEP_KEY), "upstream add main"),
    Command("upstream use",                    plain,    (INSTALL, *SAVE_BOTH), USE_OTHER),
    Command("upstream remove",                 plain,    (INSTALL, *KEEP_KEY, *SAVE_BOTH, USE_OTHER), REMOVE),
    Command("start",                           plain,    (INSTALL, reboot),  "start"),
    Command("start over an older worker",      plain,    (INSTALL, new_code), "start"),
    Command("autostart",                       plain,    (INSTALL, reboot),  "autostart"),
    Command("stop",                            plain,    (INSTALL, LATER),   "stop"),
    Command("uninstall",                       plain,    (INSTALL,),         "uninstall"),
    Command("uninstall after an edit",         plain,    (INSTALL, edit_by_codex), "uninstall"),
    Command("uninstall through a link",        linked,   (INSTALL,),         "uninstall"),
    Command("uninstall --defer-stop",          plain,    (INSTALL,),         LATER),
    Command("second uninstall",                plain,    (INSTALL, LATER),   "uninstall"),
    Command("takeover of 0.1.0",               of_0_1_0, (),                 INSTALL, cannot_relaunch=True),
    Command("uninstall of 0.1.0",              of_0_1_0, (),                 "uninstall", cannot_relaunch=True),
    Command("recover what 0.1.0 left",         leftover, (),                 "recover"),
)
# fmt: on
