"""Whole commands with foreign edits: before every operation, of either shared file, in every way.

A cell is a command, one of its file operations, one of the shared files, and an edit of that file just before the
operation. The command then continues, or is killed at a later operation; recovery follows, and I1 to I7 are checked.
The gate gives each operation two of the ten cells in turn, a deep session all. The gate runs all of them on the
journal's protocol alone (test_foreign_edits.py).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from journal import FileChange
from journal.fs import FileType
from tests.crash import invariants
from tests.crash.commands import COMMANDS, LAYOUT, Command
from tests.crash.model import Ends
from tests.crash.simfs import SimFs, key_of
from tests.crash.sizes import DEEP
from tests.crash.test_failing_commands import operations
from tests.crash.world import CANARY, HOME
from tests.homes.computer import Computer
from tests.homes.site import CommandAnswer
from tests.lifecycle.writers import leaves
from tests.numbers import Numbers

CONFIG, HOOKS = key_of(LAYOUT.config), key_of(LAYOUT.hooks)
ELSEWHERE = key_of(HOME / "elsewhere")
MARK = "marked"
TABLE = b"\n[marked]\nnumber = 1\n"
MODE = 0o604
IMAGES = re.compile(r"-[0-9a-f]{8}\.(b|new)$")
NAMES = [command.name for command in COMMANDS]


def marked(path: str, data: bytes | None) -> bytes:
    """Return the text with a setting of another program."""
    if path == CONFIG:
        return (data or b"") + TABLE
    return json.dumps({**json.loads(data or b"{}"), "description": MARK}).encode()


def replace(fs: SimFs, path: str) -> None:
    """Write a new file and rename it, as Codex does."""
    real = fs.led_to(path)
    fs.edit(real, marked(path, fs.data(real)))


def in_place(fs: SimFs, path: str) -> None:
    real = fs.led_to(path)
    if fs.data(real) is None:
        fs.edit(real, marked(path, None))
    else:
        fs.edit_in_place(real, marked(path, fs.data(real)))


def delete(fs: SimFs, path: str) -> None:
    fs.delete(path)


def chmod(fs: SimFs, path: str) -> None:
    real = fs.led_to(path)
    if fs.node(real) is not None:
        fs.chmod(real, MODE)


def relink(fs: SimFs, path: str) -> None:
    """Move the file away and leave a link, as a dotfiles tool does."""
    data = fs.data(fs.led_to(path))
    if data is not None:
        fs.edit(ELSEWHERE, data)
        fs.delete(path)
        fs.add_link(path, ELSEWHERE)


Edit = Callable[[SimFs, str], None]
EDITS: tuple[Edit, ...] = (replace, in_place, delete, chmod, relink)
KINDS = tuple(itertools.product((CONFIG, HOOKS), EDITS))


@dataclass
class Stranger:
    """Another program, which acts once: before operation `at`."""

    at: int
    path: str
    edit: Edit
    acted: bool = False

    def maybe(self, fs: SimFs) -> None:
        if fs.step == self.at:
            before = fs.fingerprint()
            self.edit(fs, self.path)
            self.acted = fs.fingerprint() != before


class Rest:
    """A command for the invariants, without the file that another program has edited."""

    def __init__(self, command: Command, stranger: Stranger, was: SimFs) -> None:
        self._command = command
        self._edited = {stranger.path, was.led_to(stranger.path), ELSEWHERE}

    def __getattr__(self, name: str) -> object:
        return getattr(self._command, name)

    def targets(self) -> Iterator[tuple[str, FileChange]]:
        return ((path, change) for path, change in self._command.targets() if path not in self._edited)

    def owned(self) -> set[str]:
        return self._command.owned() | self._edited

    def is_lasting(self, path: str) -> bool:
        return path not in self._edited and self._command.is_lasting(path)


def own_side(command: Command, stranger: Stranger, was: SimFs, now: SimFs) -> set[str]:
    """Return the side of our keys in the edited file, "before" or "after"; both where it does not change."""
    real = was.led_to(stranger.path)
    changes = {path: (change.before, change.after) for path, change in command.targets()}
    before, after = changes.get(real, (was.data(real), was.data(real)))
    values = _values(stranger.path, now.data(now.led_to(stranger.path)))
    sides = {"before": before, "after": after}
    return {name for name, data in sides.items() if values == _values(stranger.path, data)}


def _values(path: str, data: bytes | None) -> object:
    if path == CONFIG:
        return {key: value for key, value in (leaves(data) or {}).items() if key[0] != MARK}
    doc = json.loads(data or b"{}")
    groups = doc.get("hooks", {}).get("SessionStart", [])
    return [group for group in groups if group.get("hooks")], {
        name for name in doc if name not in {"description", "hooks"}
    }


def complaints(
    command: Command, stranger: Stranger, fs: SimFs, computer: Computer, answer: CommandAnswer | None
) -> list[str]:
    """Recover, and check; `answer` is the command's, None where it was killed."""
    command.recover(fs, computer, boot="")
    command = seen_by(command, stranger) or dataclasses.replace(command, line="status")
    was, rest = command.world(), Rest(command, stranger, command.world())
    problems = ["a bug"] if answer is not None and answer.code == 70 else []
    problems += ["I5: a secret in the answer"] if answer is not None and CANARY.decode() in answer.text else []
    problems += i1_one_side(command, rest, stranger, was, fs)
    problems += i2_theirs_stands(stranger, fs)
    if stranger.edit is not delete:
        problems += invariants.i3_no_proxied_config_without_worker(rest, fs, computer)
    problems += invariants.i4_nothing_left(rest, fs, parked=True)
    problems += invariants.i5_secrets_stay_private(fs, rest.owned())
    settled = fs.after_kill()
    again = settled.after_kill()
    problems += invariants.i6_recovered_for_good(settled, again, command.recover(again, computer, boot=""))
    return problems + invariants.i7_untouched_stays_itself(rest, was, fs)


def i1_one_side(command: Command, rest: Rest, stranger: Stranger, was: SimFs, now: SimFs) -> list[str]:
    """Check that all other files are on one side, before or after, and our keys in the edited one too."""
    problems = invariants.i1_all_before_or_all_after(rest, was, now, None)
    if problems or stranger.edit is delete:
        return problems
    sides = own_side(command, stranger, was, now)
    for side in sides:
        if all(now.data(path) == getattr(change, side) for path, change in rest.targets()):
            return []
    return [f"I1: {stranger.path} is {sides or 'neither'}, and the others are not"]


def i2_theirs_stands(stranger: Stranger, now: SimFs) -> list[str]:
    """Check that the foreign content, mode or link is in place."""
    node = now.node(now.led_to(stranger.path))
    if not stranger.acted or stranger.edit is delete:
        return []
    if stranger.edit in {replace, in_place}:
        return [] if node is not None and MARK.encode() in node.data else ["I2: their words are gone"]
    if stranger.edit is chmod:
        return [] if node is None or node.mode == MODE else [f"I2: mode {node.mode:o}"]
    link = now.node(stranger.path)
    return [] if link is not None and link.kind is FileType.LINK else ["I2: their link is gone"]


def seen_by(command: Command, stranger: Stranger) -> Command | None:
    """Return the command, with an edit that precedes its plan made before it; None where it refuses."""
    if stranger.at > planned(command):
        return command
    edit = stranger.edit
    early = dataclasses.replace(command, before=(*command.before, lambda fs, _: edit(fs, stranger.path)))
    return early if early.say(early.world(), early.machine()).code in {0, 3} else None


@functools.cache
def planned(command: Command) -> int:
    """Return the number of its last operation before its final plan: its transaction begins then."""
    fs = command.world()
    fs.log = []
    command.say(fs, command.machine())
    return next((at for at, what in enumerate(fs.log) if what.startswith("create") and IMAGES.search(what)), 0)


def cells(command: Command) -> Iterator[tuple[int, str, Edit]]:
    for at in operations(command):
        for number, (path, edit) in enumerate(KINDS):
            if DEEP or (at + number) % 5 == 0:
                yield at, path, edit


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_an_edit_at_any_operation(command: Command, numbers: Numbers) -> None:
    """A foreign edit at any operation stays, and our edit is complete or absent."""
    tried, bad = 0, []
    for at, path, edit in cells(command):
        stranger = Stranger(at=at, path=path, edit=edit)
        fs, computer = command.world(), command.machine()
        fs.on_step = lambda fs, what, about, stranger=stranger: stranger.maybe(fs)
        answer = command.say(fs, computer)
        fs.on_step = None
        tried += 1
        if problems := complaints(command, stranger, fs, computer, answer):
            bad.append((at, Path(path).name, edit.__name__, answer.code, answer.json.get("code"), problems))
    numbers.count("foreign edits", "cells of whole commands", tried)
    numbers.count("foreign edits", "violations", len(bad))
    assert bad == []


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_an_edit_and_a_kill(command: Command, numbers: Numbers) -> None:
    """An edit and a later kill of the command break no promise either."""
    tried, bad = 0, []
    number = COMMANDS.index(command)
    for turn, at in enumerate(operations(command)[:: 1 if DEEP else 8]):
        path, edit = KINDS[(number + turn) % len(KINDS)]
        stranger = Stranger(at=at, path=path, edit=edit)
        fs, computer = command.world(), command.machine()
        ends = Ends(fs, computer)

        def both(fs: SimFs, what: str, about: str, stranger: Stranger = stranger, ends: Ends = ends) -> None:
            stranger.maybe(fs)
            if fs.step >= stranger.at:
                ends.add(fs)

        fs.on_step, fs.on_half_write = both, None
        command.say(fs, computer)
        for later, end in enumerate(ends.all[:: 1 if DEEP else 3]):
            tried += 1
            if problems := complaints(command, stranger, end.fs, end.machine, None):
                bad.append((at, later, Path(path).name, edit.__name__, problems))
    numbers.count("foreign edits", "kills after an edit beside a whole command", tried)
    numbers.count("foreign edits", "violations", len(bad))
    assert bad == []
