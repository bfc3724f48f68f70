"""Foreign edits while a command runs, or after it died, are there in the end.

Codex takes no lock that we could share, so it may write config at any instant: one edit comes before each operation
of a command, and then the command continues, or is killed at a later operation and recovered.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import Drifted
from journal.fs import FileType
from journal.values import Unmergeable
from tests.crash import invariants
from tests.crash.lines import dump, parse
from tests.crash.model import POWERLESS, End, Ends
from tests.crash.power import PowerCut
from tests.crash.simfs import Crash, SimFs
from tests.crash.sizes import DEEP, SEED
from tests.crash.world import INSTALL, UNINSTALL, Machine, Scenario, journal_on, recover, run

MARK = "marked"


@dataclass
class Stranger:
    """Another program, which acts once: before operation `at`, on the file `path`."""

    at: int
    path: str
    act: Callable[[SimFs, str], bool]
    acted: bool = False

    def __call__(self, fs: SimFs) -> None:
        if fs.step == self.at:
            self.acted = self.act(fs, self.path)


def add_a_key(fs: SimFs, path: str) -> bool:
    """Read, modify and replace, as Codex does when it stores a setting."""
    try:
        values = parse(fs.data(path))
    except Unmergeable:
        return False
    fs.edit(path, dump(values | {MARK: "1"}))
    return True


def add_a_key_in_place(fs: SimFs, path: str) -> bool:
    if fs.data(path) is None:
        return add_a_key(fs, path)
    fs.edit_in_place(path, dump(parse(fs.data(path)) | {MARK: "1"}))
    return True


def write_a_file(fs: SimFs, path: str) -> bool:
    """Write what a program writes that has found no file."""
    fs.edit(path, dump({MARK: "1"}))
    return True


def replace_by_prose(fs: SimFs, path: str) -> bool:
    fs.edit(path, b"marked, and not a text of this format")
    return True


def delete(fs: SimFs, path: str) -> bool:
    fs.delete(path)
    return True


def change_mode(fs: SimFs, path: str) -> bool:
    if fs.node(path) is None:
        return False
    fs.chmod(path, 0o604)
    return True


SHARED = {INSTALL.name: ("/h/config", "/h/hooks"), UNINSTALL.name: ("/h/dotfiles/config", "/h/hooks")}
KEY_ACTS = (add_a_key, add_a_key_in_place)


KINDS = {"exchange": (True, False), "rename": (False, False), "Windows": (True, True)}


def watched(scenario: Scenario, stranger: Stranger, kind: str = "exchange") -> tuple[SimFs, Machine]:
    fs, machine = scenario.world(), scenario.machine()
    fs.exchanges, fs.windows = KINDS[kind]
    fs.on_step = lambda fs, what, about: stranger(fs)
    return fs, machine


def operations(scenario: Scenario, kind: str = "exchange") -> range:
    fs, machine = scenario.world(), scenario.machine()
    fs.exchanges, fs.windows = KINDS[kind]
    run(journal_on(fs, machine), scenario, machine)
    return range(1, fs.step + 1)


def our_state(scenario: Scenario, fs: SimFs, path: str, at: str = "") -> str:
    """Return the state of our keys in a file: "before", "after" or "other"; `at` is its path by now."""
    change = next(change for target, change in scenario.targets() if target == path)
    data = fs.data(at or path)
    if data in {change.before, change.after} and not change.edits:
        return "before" if data == change.before else "after"
    if change.after is None and data is None:
        return "after"
    try:
        values = parse(data)
    except Unmergeable:
        return "other"
    now = [values.get(edit.path[0]) for edit in change.edits]
    before = [edit.before if isinstance(edit.before, str) else None for edit in change.edits]
    after = [edit.after if isinstance(edit.after, str) else None for edit in change.edits]
    if now == before:
        return "before"
    return "after" if now == after else "other"


def complaints(scenario: Scenario, fs: SimFs, stranger: Stranger) -> list[str]:
    """Check that marked text survives, our keys are all on one side, and no file of ours is left."""
    problems = invariants.i4_nothing_left(scenario, fs, parked=True)
    if stranger.act in {*KEY_ACTS, replace_by_prose}:
        problems += invariants.i2_foreign_edits_survive({"the edit": MARK.encode()}, fs)
    if stranger.act in KEY_ACTS and MARK not in parse(fs.data(stranger.path)):
        problems.append("I2: the edit is parked instead of merged")
    if stranger.act is change_mode and stranger.acted and (node := fs.node(stranger.path)) and node.mode != 0o604:
        problems.append(f"I2: mode is {node.mode:o} again")
    others = [path for path in (target for target, _ in scenario.targets()) if path != stranger.path]
    sides = {our_state(scenario, fs, path) for path in others if path != "/h/untouched"}
    if stranger.act in {*KEY_ACTS, change_mode}:
        sides.add(our_state(scenario, fs, stranger.path))
    if sides not in ({"before"}, {"after"}):
        problems.append(f"I1: mixed: {sides}")
    return problems


def cases() -> Iterator[tuple[Scenario, str, Callable[[SimFs, str], bool], str]]:
    for scenario in (INSTALL, UNINSTALL):
        for path in SHARED[scenario.name]:
            for act in (*KEY_ACTS, replace_by_prose, delete, change_mode):
                yield scenario, path, act, "exchange"
                if DEEP or act is add_a_key:
                    yield scenario, path, act, "rename"
                if DEEP or act in {add_a_key, add_a_key_in_place, delete}:
                    yield scenario, path, act, "Windows"


CASES = list(cases())
NAMES = [f"{s.name} {path} {act.__name__} {kind}" for s, path, act, kind in CASES]


@pytest.mark.parametrize(("scenario", "path", "act", "kind"), CASES, ids=NAMES)
def test_an_edit_at_any_operation(
    scenario: Scenario, path: str, act: Callable[[SimFs, str], bool], kind: str
) -> None:
    """Without a crash the edit survives a command that commits and one that rolls back."""
    for at in operations(scenario, kind):
        stranger = Stranger(at=at, path=path, act=act)
        fs, machine = watched(scenario, stranger, kind)
        outcome = run(journal_on(fs, machine), scenario, machine)
        if kind == "Windows" and act in KEY_ACTS and operation(scenario, kind, at) == f"replace {path}":
            assert wrote_where_there_was_no_file(scenario, fs, stranger) == [], (at, outcome)
        elif stranger.acted and (kind != "rename" or operation(scenario, kind, at) != f"move {path}"):
            assert complaints(scenario, fs, stranger) == [], (at, outcome)


def operation(scenario: Scenario, kind: str, at: int) -> str:
    """Return operation number `at` of an undisturbed run.

    Without exchange a gap remains between the comparison and the rename ("move") of a file. On Windows the file is
    missing for an instant before "replace".
    """
    fs, machine = scenario.world(), scenario.machine()
    (fs.exchanges, fs.windows), fs.log = KINDS[kind], []
    run(journal_on(fs, machine), scenario, machine)
    return fs.log[at - 1]


def wrote_where_there_was_no_file(scenario: Scenario, fs: SimFs, stranger: Stranger) -> list[str]:
    """Check that both survive: the file of the program that read none, and the one that was there before."""
    before = next(change.before for target, change in scenario.targets() if target == stranger.path) or b""
    edits = {"the file before": before, "the edit": MARK.encode()}
    return [
        *invariants.i2_foreign_edits_survive(edits, fs),
        *invariants.i4_nothing_left(scenario, fs, parked=True),
    ]


@pytest.mark.parametrize(
    ("scenario", "path"), [(INSTALL, "/h/config"), (INSTALL, "/h/hooks"), (UNINSTALL, "/h/dotfiles/config")]
)
def test_a_program_that_found_no_file_writes_one_later(scenario: Scenario, path: str) -> None:
    """It looks between the renames of an exchange, and writes while the transaction is open: no content is lost."""
    fs, machine = scenario.world(), scenario.machine()
    (fs.exchanges, fs.windows), fs.log = KINDS["Windows"], []
    run(journal_on(fs, machine), scenario, machine)
    folder, _, name = path.rpartition("/")
    gap = 1 + fs.log.index(f"replace {path}")
    swept = next(at for at, line in enumerate(fs.log, 1) if at > gap and line.startswith(f"unlink {folder}/.{name}."))
    for at in range(gap + 1, swept):
        stranger = Stranger(at=at, path=path, act=write_a_file)
        fs, machine = watched(scenario, stranger, "Windows")
        outcome = run(journal_on(fs, machine), scenario, machine)
        assert wrote_where_there_was_no_file(scenario, fs, stranger) == [], (at, outcome)


def ends_after(stranger: Stranger, fs: SimFs, scenario: Scenario, machine: Machine) -> list[End]:
    """Run the command, and return every world in which it could stop from the edit on."""
    ends = Ends(fs, machine)

    def both(fs: SimFs, what: str, about: str) -> None:
        stranger(fs)
        if fs.step >= stranger.at:
            ends.add(fs)

    fs.on_step, fs.on_half_write = both, None
    run(journal_on(fs, machine), scenario, machine)
    return ends.all


@pytest.mark.parametrize(
    ("scenario", "path", "act", "kind"),
    [
        case
        for case in CASES
        if (case[2] in {*KEY_ACTS, change_mode} and case[3] == "exchange") or case[2:] == (add_a_key, "Windows")
    ],
)
def test_an_edit_and_a_kill(scenario: Scenario, path: str, act: Callable[[SimFs, str], bool], kind: str) -> None:
    """After an edit before any operation, a kill at any later one, and recovery, the edit is in its file."""
    for at in operations(scenario, kind)[:: 1 if DEEP else 3]:
        stranger = Stranger(at=at, path=path, act=act)
        fs, machine = watched(scenario, stranger, kind)
        for number, end in enumerate(ends_after(stranger, fs, scenario, machine)):
            recover(end.fs, end.machine)
            problems = complaints(scenario, end.fs, stranger)
            assert problems == [], (at, number)


@pytest.mark.parametrize(
    ("scenario", "path", "act"), [(s, p, a) for s, p, a, kind in CASES if kind == "exchange" and a in KEY_ACTS]
)
def test_an_edit_and_a_power_cut(scenario: Scenario, path: str, act: Callable[[SimFs, str], bool]) -> None:
    """After a power cut instead of a kill, an edit that its writer made durable is in its file."""
    choose = random.Random(SEED)
    for at in operations(scenario)[:: 1 if DEEP else 4]:
        stranger = Stranger(at=at, path=path, act=act)
        fs, machine = watched(scenario, stranger)
        for number, end in enumerate(ends_after(stranger, fs, scenario, machine)):
            power = PowerCut(end.fs)
            cut = power.world(power.draw(choose, any_subset=number % 2 == 1))
            recover(cut, Machine(), boot=POWERLESS)
            assert complaints(scenario, cut, stranger) == [], (at, number)


@pytest.mark.parametrize(
    ("scenario", "path", "act"),
    [(s, p, a) for s, p, a, kind in CASES if kind == "exchange" and a in {*KEY_ACTS, change_mode}],
)
def test_an_edit_after_a_kill(scenario: Scenario, path: str, act: Callable[[SimFs, str], bool]) -> None:
    """After a kill at any operation, an edit, and recovery, the edit is in its file."""
    fs, machine = scenario.world(), scenario.machine()
    ends = Ends(fs, machine)
    run(journal_on(fs, machine), scenario, machine)
    for number, end in enumerate(ends.all):
        stranger = Stranger(at=0, path=path, act=act, acted=act(end.fs, path))
        recover(end.fs, end.machine)
        assert complaints(scenario, end.fs, stranger) == [], number


def change_our_key(fs: SimFs, path: str) -> bool:
    values = parse(fs.data(path))
    fs.edit(path, dump(values | {"url": "elsewhere"}))
    return True


def test_a_change_of_our_own_key_is_left_alone() -> None:
    """A foreign change of an own key wins, at whatever operation it comes."""
    for at in operations(INSTALL):
        stranger = Stranger(at=at, path="/h/config", act=change_our_key)
        fs, machine = watched(INSTALL, stranger)
        outcome = run(journal_on(fs, machine), INSTALL, machine)
        assert parse(fs.data("/h/config"))["url"] == "elsewhere", at
        if outcome == "rolled_back":
            assert fs.data("/h/state/settings") is None, at


def test_drift_before_prepare_changes_nothing() -> None:
    """A file that no longer holds what the plan read is reported by path, and nothing but the lock is written."""
    fs, machine = INSTALL.world(), INSTALL.machine()
    fs.edit("/h/config", b"url=other\n")
    with journal_on(fs, machine).acquire(command="x", timeout=0) as lease:
        steps = fs.step
        transaction = lease.begin(command="x", argv=(), from_state="a", to_state="b", changes=INSTALL.changes)
        with pytest.raises(Drifted) as drifted:
            transaction.prepare()
        assert [path.as_posix() for path in drifted.value.paths] == ["/h/config"]
        assert fs.step == steps
        transaction.close_rolled_back("drift")


def turn_into_a_link(fs: SimFs, path: str) -> bool:
    """Move the file away and leave a link, as a dotfiles tool does."""
    if fs.data(path) is None:
        return False
    fs.edit("/h/elsewhere", fs.data(path) or b"")
    fs.delete(path)
    fs.add_link(path, "/h/elsewhere")
    return True


@pytest.mark.parametrize("path", SHARED[INSTALL.name])
def test_a_link_in_place_of_the_file(path: str) -> None:
    """A file that becomes a link at any operation stays a link, and its text has all of our keys or none."""
    for at in operations(INSTALL):
        stranger = Stranger(at=at, path=path, act=turn_into_a_link)
        fs, machine = watched(INSTALL, stranger)
        outcome = run(journal_on(fs, machine), INSTALL, machine)
        node = fs.node(path)
        assert node is not None
        assert FileType.LINK is node.kind, at
        problems = invariants.i4_nothing_left(INSTALL, fs, parked=True)
        assert problems == [], (at, outcome)
        assert our_state(INSTALL, fs, path, at="/h/elsewhere") == ("after" if outcome == "committed" else "before"), (
            at
        )


def turn_into_a_folder(fs: SimFs, path: str) -> bool:
    fs.delete(path)
    fs.add_folder(path)
    return True


@pytest.mark.parametrize("path", SHARED[INSTALL.name])
def test_a_folder_in_place_of_the_file(path: str) -> None:
    """A folder that replaces the file at any operation stays, and the other files are on one side."""
    for at in operations(INSTALL):
        stranger = Stranger(at=at, path=path, act=turn_into_a_folder)
        fs, machine = watched(INSTALL, stranger)
        outcome = run(journal_on(fs, machine), INSTALL, machine)
        node = fs.node(path)
        assert node is not None
        assert FileType.FOLDER is node.kind, at
        assert complaints(INSTALL, fs, stranger) == [], (at, outcome)


@dataclass
class Crowd:
    """Several other programs; each edit has its own mark."""

    plans: list[tuple[int, str, bool]]
    done: list[str]

    def __call__(self, fs: SimFs) -> None:
        for number, (at, path, in_place) in enumerate(self.plans):
            if fs.step == at and fs.data(path) is not None:
                mark = f"mark{number}"
                text = dump(parse(fs.data(path)) | {mark: "1"})
                (fs.edit_in_place if in_place else fs.edit)(path, text)
                self.done.append(mark)


@given(data=st.data(), scenario=st.sampled_from([INSTALL, UNINSTALL]), kill=st.integers(1, 70))
def test_a_crowd_and_a_kill(data: st.DataObject, scenario: Scenario, kill: int) -> None:
    """Up to four edits at any operations, with a kill or without: every edit is in its file or parked."""
    plan = st.tuples(st.integers(1, 60), st.sampled_from(SHARED[scenario.name]), st.booleans())
    crowd = Crowd(plans=data.draw(st.lists(plan, min_size=1, max_size=4)), done=[])
    fs, machine = scenario.world(), scenario.machine()
    fs.crash_at = kill
    fs.on_step = lambda fs, what, about: crowd(fs)
    with suppress(Crash):
        run(journal_on(fs, machine), scenario, machine)
    fs = fs.after_kill()
    recover(fs, machine)
    assert [] == invariants.i2_foreign_edits_survive({mark: mark.encode() for mark in crowd.done}, fs)
    assert [] == invariants.i4_nothing_left(scenario, fs, parked=True)
    sides = {our_state(scenario, fs, target) for target, _ in scenario.targets() if target != "/h/untouched"}
    assert sides in ({"before"}, {"after"})
