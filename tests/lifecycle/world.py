"""The world that the rules act on: a site, what its owner's files must say, and the checks after every act."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.provider import provider_url
from cfp.core.state import State, WorkerState, state_of, uses_proxy, worker_state
from cfp.errors import Failed
from journal import Recovery
from tests.crash import invariants
from tests.crash.simfs import Crash, SimFs, key_of
from tests.homes.computer import Worker, nothing
from tests.homes.places import Home
from tests.homes.site import CommandAnswer, Site, files_of
from tests.lifecycle.model import Model, is_own
from tests.lifecycle.outcomes import Verb, is_listed
from tests.lifecycle.writers import BOM, OUR_URL, Edit, Leaves, edited, leaves, names_ours, positions, theirs

Images = dict[str, tuple[bytes, int]]
UNUSABLE = frozenset(
    {
        *("file_not_replaceable", "config_unparseable", "hooks_unparseable", "record_unreadable"),
        *("unknown_provider", "storage_failed"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An event while a command runs, after `share` thousandths of its changing operations.

    kind  none, kill, edit (by Codex), fail (one operation, by EIO), full (no space from there on);
          cut_off (killed before one of its acts on workers), stillborn (no worker that it starts comes up)
    """

    kind: str = "none"
    share: int = 0


CALM = Trouble()


@dataclass
class Tally:
    """Counts of the acts of a run."""

    steps: int = 0
    commands: int = 0
    crashes: int = 0
    nested: int = 0
    power_cuts: int = 0
    outcomes: set[tuple[State, Verb, str]] = field(default_factory=set)


@dataclass
class World:
    """`models` are the possibilities of what is true: more than one only while a crash is undecided.

    robbed  somebody has deleted what we had written down
    unsure  files that a command changed which did not say that it is done: a power cut may take that back
    broken  the bytes of files of others that do not parse by now; `stood`: what they were before
    """

    site: Site
    models: list[Model]
    hooks: dict[str, object]
    tally: Tally
    snapshot: tuple[bytes, Leaves] | None = None
    full: bool = False
    crashed: bool = False
    interfered: bool = False
    edits: int = 0
    robbed: bool = False
    unsure: set[Path] = field(default_factory=set)
    broken: dict[Path, bytes] = field(default_factory=dict)
    stood: dict[Path, bytes] = field(default_factory=dict)
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        self.facts = self.site.survey()

    # --- looking ------------------------------------------------------------------------------------------------

    @property
    def config(self) -> bytes | None:
        return self.site.disk.read(self.site.home.layout.config)

    @property
    def hooks_json(self) -> bytes | None:
        return self.site.disk.read(self.site.home.layout.hooks)

    @property
    def interrupted(self) -> bool:
        return self.site.interrupted

    def files(self) -> dict[Path, bytes | None]:
        """The files that a command promises to have changed once it says so."""
        layout = self.site.home.layout
        paths = (
            layout.config,
            layout.hooks,
            layout.settings,
            layout.manifest,
            layout.provider_auth,
            layout.upstreams,
        )
        return {path: self.site.disk.read(path) for path in paths}

    # --- others write -------------------------------------------------------------------------------------------

    def write_config(self, edit: Edit, mode: int | None = None) -> None:
        """Somebody reads config.toml, changes it, and writes it again."""
        now = self.config
        data = None if now is None else edited(now, edit)
        if data is None or (data == now and mode is None):
            return  # nobody can tell who wanted a word that stood there already
        self.site.home.put(self.site.home.layout.config, data, mode)
        written = [model.wrote(edit.meant) for model in self.models]
        # In the middle of a command, a value of a key of ours may be what that command was about to put there.
        undone = (
            [model.wrote({}) for model in self.models] if self.interrupted and any(map(is_own, edit.meant)) else []
        )
        self.models = unique([*written, *undone])

    def codex_writes(self, number: int) -> None:
        """Codex keeps a key of its own: LF, no BOM, mode 0600, a new file."""
        now = self.config
        if now is None or leaves(now) is None:
            return
        text = now.decode().removeprefix(BOM).replace("\r\n", "\n")
        table = f'\n[projects."/codex/{number}"]\ntrust_level = "trusted"\n'
        self.write_config(Edit(text + table, {("projects", f"/codex/{number}", "trust_level"): "trusted"}), 0o600)

    def codex_writes_what_it_read_before(self, number: int) -> None:
        """Codex has read the file some time ago, and writes that text with a key of its own."""
        if self.snapshot is None:
            return
        old, mine = self.snapshot
        table = f'\n[projects."/stale/{number}"]\ntrust_level = "trusted"\n'
        meant = {("projects", f"/stale/{number}", "trust_level"): "trusted"}
        data = edited(old, Edit(old.decode().removeprefix(BOM).replace("\r\n", "\n") + table, meant))
        if data is None:
            return
        self.site.home.put(self.site.home.layout.config, data, 0o600)
        self.broken.pop(self.site.home.layout.config, None)
        self.models = [model.overwrote(mine, meant, leaves(data) or {}) for model in self.models]

    def break_file(self, path: Path, data: bytes) -> None:
        """Somebody's edit leaves a file that does not parse."""
        self.stood[path] = self.site.disk.read(path) or b""
        self.site.home.put(path, data)
        self.broken[path] = data
        self.others_wrote()

    def mend(self) -> None:
        """Its owner puts back what stood there, our keys as they were then."""
        for path in self.broken:
            self.site.home.put(path, self.stood[path])
        self.broken.clear()
        self.models = [model.robbed() for model in self.models]

    def others_wrote(self) -> None:
        """Somebody has changed a file otherwise than in its values."""
        self.models = [replace(model, exact=None, hooks_exact=None) for model in self.models]

    def write_hooks(self, data: bytes | None) -> None:
        """Another tool writes hooks.json, our group within it or not."""
        path, places = self.site.home.layout.hooks, positions(self.hooks_json)
        if data is None:
            self.site.home.take(path)
        else:
            self.site.home.put(path, data)
        self.hooks = theirs(data)
        shifted = positions(data) != places
        self.models = [model.hooks_written(shifted=shifted) for model in self.models]

    # --- commands -----------------------------------------------------------------------------------------------

    def command(
        self,
        verb: Verb,
        argv: Sequence[str],
        trouble: Trouble = CALM,
        went_through: Callable[[Model, Images, CommandAnswer | None], Model] = lambda model, _before, _answer: model,
    ) -> None:
        """Run a command line, in trouble or not, and hold it to everything that it promised."""
        self.tally.commands += 1
        self.interfered = trouble.kind == "edit"
        was_interrupted = self.interrupted
        before, places = files_of(self.site.home.image()), positions(self.hooks_json)
        states = self._will_meet()
        workers, reached, form = self.site.computer.serving(), i3_reached(self.site), self.form()
        files = self.files()
        answer = self._run(argv, trouble)
        passed = answer is not None and answer.code in {0, 3} and answer.status not in {"error", "quiet"}
        changed = {path for path, data in self.files().items() if data != files[path]}
        self.unsure = self.unsure - changed if passed else self.unsure | changed
        if answer is None:
            self.tally.nested += was_interrupted
            self._died(before, went_through, [] if was_interrupted else reached)
            return
        if self.full:
            self.site.home.fill()  # still: a new program finds the disk as the last one left it
        if self.interrupted or isinstance(answer.json.get("changed"), str):
            self.models = unique([*self.models, *(went_through(model, before, None) for model in self.models)])
        elif passed:
            self.models = [went_through(model, before, answer) for model in self.models]
        elif answer.json.get("changed") is False and not was_interrupted and trouble.kind != "edit":
            self._changed_nothing(argv, before, workers)
        if trouble.kind != "edit" and not was_interrupted:  # a file that recovery takes away has no mode to keep
            self._keeps_form(form, argv)
        if not was_interrupted:
            self._is_left_as_told(argv, trouble, answer, reached)
        self.check(places)
        if trouble == CALM and not self.full and answer.code != 6 and not self._is_told_of(answer):
            self._is_listed(verb, states, answer)
        if passed and "state" in answer.json and verb is not Verb.RECOVER:
            assert answer.json["state"] == state_of(self.facts), f"I7: {argv} says {answer.json['state']}"

    def _run(self, argv: Sequence[str], trouble: Trouble) -> CommandAnswer | None:
        """Run it; None where it was killed, whatever it came to say."""
        with self._in_trouble(trouble, argv):
            try:
                answer = self.site.run(argv)
            except Crash:
                return None
            return None if self.site.home.dead else answer

    def _changed_nothing(self, argv: Sequence[str], before: Images, workers: list[Worker]) -> None:
        assert shared(files_of(self.site.home.image())) == shared(before), f"{argv}: failed, and changed files"
        now = {one.settings for one in self.site.computer.serving()}
        assert now == {one.settings for one in workers}, f"{argv}: failed, and changed workers"

    def _is_left_as_told(
        self, argv: Sequence[str], trouble: Trouble, answer: CommandAnswer, reached: list[Worker]
    ) -> None:
        """An open transaction is reported, a failure is undone at once, and a full uninstall leaves nothing."""
        assert not self.interrupted or isinstance(answer.json.get("changed"), str), (
            f"I4: {argv} left a transaction open"
        )
        once = trouble.kind in {"fail", "stillborn"} and not self.full
        assert not (once and answer.refusal == "rollback_incomplete"), f"I1: {argv} did not undo one failure"
        if answer.json.get("files") == "removed" and not answer.refusal:
            state = f"{key_of(self.site.home.layout.state)}/"
            left = [path for path in files_of(self.site.home.image()) if path.startswith(state)]
            assert left == [], f"I4: {argv} left {left}"
        if answer.refusal and not self.interrupted:
            assert i3_lost(self.site, reached) == [], f"{argv}: {answer.refusal}"

    def form(self) -> dict[Path, tuple[bool, int]]:
        """Whether each shared file is a link, and its mode: that is its owner's to say."""
        image = self.site.home.image()
        modes = {}
        for path in (self.site.home.layout.config, self.site.home.layout.hooks):
            real = image.node(image.led_to(path))
            if real is not None:
                modes[path] = (image.led_to(path) != key_of(path), real.mode)
        return modes

    def _keeps_form(self, before: dict[Path, tuple[bool, int]], argv: Sequence[str]) -> None:
        now = self.form()
        changed = {path.name for path in before.keys() & now.keys() if before[path] != now[path]}
        assert not changed, f"I2: {argv} changed mode or link of {changed}"

    def _is_told_of(self, answer: CommandAnswer) -> bool:
        """Whether a file cannot be read or replaced: those refusals are not listed by state."""
        return answer.refusal in UNUSABLE or bool(self.broken)

    def _will_meet(self) -> frozenset[State]:
        """The states that a command finds: now, and once it has settled what is interrupted."""
        states = {state_of(self.facts)}
        if self.interrupted:
            twin = self.site.twin()
            twin.recover()
            states.add(twin.state())
        return frozenset(states)

    @contextmanager
    def _in_trouble(self, trouble: Trouble, argv: Sequence[str]) -> Iterator[None]:
        if trouble.kind == "none":
            yield
            return
        operations, acts = self._foreseen(argv)
        at, acts_left = 1 + operations * trouble.share // 1000, 1 + acts * trouble.share // 1000

        def act(what: str) -> None:
            nonlocal acts_left
            acts_left -= 1
            if self.site.home.dead or (trouble.kind == "cut_off" and acts_left == 0):
                self.site.home.die()
            if trouble.kind == "stillborn" and what == "healthy":
                raise Failed("worker_did_not_start", reason="exited", detail="", log="")

        self.site.act = act
        if trouble.kind == "kill":
            self.site.home.kill_at(at)
        elif trouble.kind in {"fail", "full"} and not self.full:
            code = errno.EIO if trouble.kind == "fail" else errno.ENOSPC
            self.site.home.fail_at(at, code, sticky=trouble.kind == "full")
        elif trouble.kind == "edit":
            self.edits += 1
            number = self.edits
            self.site.home.call_at(at, lambda: self.codex_writes(number))
        try:
            yield
        finally:
            self.site.act = nothing
            self.site.home.revive()

    def _foreseen(self, argv: Sequence[str]) -> tuple[int, int]:
        """Return the number of a command's changing operations on files, and of its acts on workers."""
        twin, acts = self.site.twin(), list[str]()
        twin.act = acts.append
        if self.full:
            twin.home.fill()
        first = twin.home.fs.step
        twin.run(argv)
        return int(twin.home.fs.step - first), len(acts)

    def _died(
        self,
        before: Images,
        went_through: Callable[[Model, Images, CommandAnswer | None], Model],
        reached: list[Worker],
    ) -> None:
        """A crash: whatever the command would have come to, recovery comes to before or after it."""
        self.tally.crashes += 1
        self.crashed = True
        if self.full:
            self.site.home.fill()
        self.models = unique([*self.models, *(went_through(model, before, None) for model in self.models)])
        twin = self.site.twin()
        if self.check_recovered(twin).kind == "rolled_back":
            assert i3_lost(twin, reached) == []
        self.facts = self.site.survey()

    # --- checks -------------------------------------------------------------------------------------------------

    def check(self, places: dict[str, tuple[int, int]] | None = None) -> None:
        """Assert the invariants, which hold after every act."""
        self.facts = self.site.survey()
        self.models = self.possible(self.site, self.facts, self.models)
        if places is not None:
            now = positions(self.hooks_json)
            moved = {name for name in places.keys() & now.keys() if places[name] != now[name]}
            assert not moved, f"I6: other people's hooks moved: {moved}"
        self.crashed = self.crashed and i4_nothing_left(self.site) != []
        if self.interrupted or self.crashed:
            self.check_recovered(self.site.twin())
        else:
            self._check_rest(self.site, self.facts)

    def check_recovered(self, twin: Site) -> Recovery:
        """On a twin: one recovery settles everything, and a second one finds nothing."""
        places = positions(twin.disk.read(twin.home.layout.hooks))
        first = twin.recover()
        facts = twin.survey()
        self._check_rest(twin, facts)
        self.possible(twin, facts, self.models)
        now = positions(twin.disk.read(twin.home.layout.hooks))
        assert {name: now[name] for name in places.keys() & now.keys()} == {
            name: places[name] for name in places.keys() & now.keys()
        }, "I6: recovery moved other people's hooks"
        settled = twin.home.image()
        again = twin.twin()
        second = again.recover()
        assert invariants.i6_recovered_for_good(settled, again.home.image(), second) == []
        return first

    def _check_rest(self, site: Site, facts: Facts) -> None:
        """In a home with nothing interrupted."""
        assert i3_codex_is_served_or_told(site, facts, robbed=self.robbed) == []
        assert i4_nothing_left(site) == []
        assert i5_secrets_are_private(site) == []
        assert i8_our_address_is_nobodys(site) == []

    def possible(self, site: Site, facts: Facts, models: list[Model]) -> list[Model]:
        """Those possibilities that the files agree with; fails where none is left (I1, I2)."""
        interrupted, text, state = bool(facts.interrupted), leaves(facts.config.data), state_of(facts)
        for path, data in self.broken.items():
            assert site.disk.read(path) == data, f"I2: {path.name} did not parse, and was changed"
        if text is None:
            return models
        judgements = [(model, model.complaints(text, state, interrupted=interrupted)) for model in models]
        fitting = [model for model, complaints in judgements if not complaints]
        assert fitting, f"I1, I2: {judgements[0][1]}"
        if facts.layout.hooks not in self.broken:
            assert theirs(facts.hooks.data) == self.hooks, "I2: other people's hooks changed"
        return models if interrupted else fitting

    def _is_listed(self, verb: Verb, before: frozenset[State], answer: CommandAnswer) -> None:
        after = state_of(self.facts)
        outcome = answer.refusal or (str(after) if answer.status not in {"quiet", "skipped", "error"} else "")
        for state in before:
            self.tally.outcomes.add((state, verb, outcome))
        assert any(is_listed(verb, state, after, answer) for state in before), (
            f"{verb} in {sorted(before)} led to {after}, {answer.status} {answer.refusal}"
        )


def shared(images: Images) -> Images:
    """Without what a refused command may write: words for people, logs of workers, the journal's own folder.

    There it may sweep what a killed one has left before it had a log.
    """
    apart = ("/codex-fast-proxy-journal/", "/state/fast_proxy.")
    return {
        path: image
        for path, image in images.items()
        if not path.endswith(".jsonl") and not any(part in path for part in apart)
    }


def unique(models: list[Model]) -> list[Model]:
    distinct: list[Model] = []
    for model in models:
        if model not in distinct:
            distinct.append(model)
    return distinct


def i3_codex_is_served_or_told(site: Site, facts: Facts, *, robbed: bool = False) -> list[str]:
    """Codex points at a worker that answers, or `status` does not say that all is well; and one worker at most.

    Nor does one run of which nothing is written down, unless it is busy or `robbed` of that by others.
    """
    complaints = []
    standing_by = {worker for worker in site.computer.workers.values() if not worker.draining}
    if len(standing_by) > 1:
        complaints.append(f"I3: {len(standing_by)} workers of one home")
    orphans = [one for one in site.computer.serving() if not one.busy]
    if orphans and not robbed and not facts.settings_data and not facts.manifest_data:
        complaints.append("I3: a worker outlives what it was started for")
    served = worker_state(facts) in {WorkerState.HEALTHY, WorkerState.STALE}
    if uses_proxy(facts) and not served and diagnose(facts).code == "ready":
        complaints.append("I3: Codex points at nothing, and status is content")
    return complaints


def i3_reached(site: Site) -> list[Worker]:
    """The workers that answer where config.toml leads."""
    doc = site.survey().config.doc or {}
    return [
        worker
        for worker in site.computer.serving()
        if not worker.hung and provider_url(doc, worker.settings.provider) == worker.settings.base_url
    ]


def i3_lost(site: Site, before: list[Worker]) -> list[str]:
    """A command that turned back leaves Codex served as it was, where config.toml still leads there."""
    doc, now = site.survey().config.doc or {}, [worker.settings for worker in i3_reached(site)]
    return [
        f"I3: the worker of {worker.settings.base_url} has not come back"
        for worker in before
        if provider_url(doc, worker.settings.provider) == worker.settings.base_url and worker.settings not in now
    ]


def i4_nothing_left(site: Site) -> list[str]:
    """No staged file, image or open log; after a complete uninstall nothing of ours at all."""
    layout = site.home.layout
    complaints = []
    for path in files_of(site.home.image()):
        name = Path(path).name
        in_journal = Path(path).parent == layout.journal
        if name.startswith(".") or (
            in_journal and name not in {"history.jsonl", "lock", "holder.json"} and ".x" not in name
        ):
            complaints.append(f"I4: {path} is left")
    return complaints


def i8_our_address_is_nobodys(site: Site) -> list[str]:
    """No backup has an address of ours, the record gives none back, and no worker sends requests to one."""
    layout, disk = site.home.layout, site.disk
    backups = [layout.backups / name for name in disk.names(layout.backups) if name.endswith(".bak")]
    complaints = [f"I8: {path.name} has {key}" for path in backups for key in names_ours(disk.read(path))]
    for path in (layout.settings, layout.manifest):
        record = json.loads(disk.read(path) or b"{}")
        saved = record.get("settings", record)
        values = [saved.get("upstream_base"), *(edit.get("before") for edit in record.get("config_keys", ()))]
        complaints += [f"I8: {path.name} has {value}" for value in values if OUR_URL.fullmatch(str(value))]
    return complaints


def dotfiles(home: Home) -> Path:
    """The target of config.toml, once the user has made it a link."""
    return home.layout.home / "dotfiles.toml"


def i5_secrets_are_private(site: Site) -> list[str]:
    """Bytes with a secret are in files that only their owner reads, config.toml's own mode aside; never in a log."""
    image, config = site.home.image(), site.home.layout.config
    return invariants.i5_secrets_stay_private(_marked(image), {key_of(config), key_of(dotfiles(site.home))})


def _marked(image: SimFs) -> SimFs:
    """Return the text with each canary replaced by that of the crash tests."""
    image.nodes = {
        number: node.but(data=invariants.CANARY) if b"canary" in node.data else node
        for number, node in image.nodes.items()
    }
    return image
