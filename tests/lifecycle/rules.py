"""The rules: every command, every kind of writer, and everything that befalls a machine, in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cfp.core.provider import active_provider, provider_url, url_key
from tests.crash.simfs import key_of
from tests.homes.computer import OLD_CODE, Computer
from tests.homes.places import Home, MemoryHome
from tests.homes.site import CommandAnswer, Site
from tests.lifecycle import writers
from tests.lifecycle.model import Model
from tests.lifecycle.outcomes import Verb
from tests.lifecycle.world import CALM, Images, Tally, Trouble, World, dotfiles
from tests.lifecycle.writers import Edit

KILLS = st.builds(Trouble, kind=st.just("kill"), share=st.integers(0, 999))
WITH_WORKERS = st.builds(Trouble, kind=st.sampled_from(["cut_off", "stillborn"]), share=st.integers(0, 999))
TROUBLES = st.one_of(
    st.just(CALM),
    KILLS,
    st.builds(Trouble, kind=st.sampled_from(["edit", "fail", "fail", "full"]), share=st.integers(0, 999)),
    WITH_WORKERS,
    st.just(CALM),
)
NAMES = st.sampled_from(["one", "two"])
SEEDS = st.integers(0, 2**16)
NUMBERS = st.integers(1, 3)
LOGINS = {
    "api key": b'{"OPENAI_API_KEY": "canary-openai-0123456789"}',
    "chatgpt": b'{"tokens": {"access_token": "canary-chatgpt-0123456789"}}',
    "none": b"{}",
}


class Commands(RuleBasedStateMachine):
    """All commands, each in trouble or not."""

    world: World

    @rule(trouble=TROUBLES, port=st.sampled_from([None, None, "8788"]), url=st.sampled_from([None, *writers.URLS]))
    def install(self, trouble: Trouble, port: str | None, url: str | None) -> None:
        flags = [*(("--port", port) if port else ()), *(("--upstream-base", url) if url else ())]
        self.world.command(Verb.INSTALL, ["install", "--start", "--no-verify", *flags], trouble, self._installed)

    @rule(trouble=TROUBLES, provider=st.sampled_from(["relay", "other"]))
    def install_and_activate(self, trouble: Trouble, provider: str) -> None:
        argv = ["install", "--start", "--no-verify", "--provider", provider, "--activate-provider"]
        self.world.command(Verb.INSTALL, argv, trouble, self._installed)

    @rule(trouble=TROUBLES)
    def prepare_only(self, trouble: Trouble) -> None:
        self.world.command(Verb.PREPARE, ["install", "--prepare-only", "--no-verify"], trouble)

    @rule(
        trouble=TROUBLES,
        restart=st.booleans(),
        change=st.sampled_from(
            [
                *(["--upstream-base", url] for url in writers.URLS),
                ["--service-tier-policy", "preserve"],
                ["--use-provider-auth-file"],
                ["--upstream-api-key-env", "OTHER_KEY"],
                ["--clear-upstream-auth"],
            ]
        ),
    )
    def set_upstream(self, trouble: Trouble, restart: bool, change: list[str]) -> None:  # noqa: FBT001 - a flag
        verb = Verb.SET_UPSTREAM_NOW if restart else Verb.SET_UPSTREAM
        argv = ["set-upstream", "--no-verify", *change, *(["--restart"] if restart else [])]
        self.world.command(verb, argv, trouble, self._moved(change))

    @rule(trouble=TROUBLES, restart=st.booleans(), kind=st.sampled_from(["subagent", "review"]))
    def add_a_rule_of_fast(self, trouble: Trouble, restart: bool, kind: str) -> None:  # noqa: FBT001 - a flag
        verb = Verb.FAST_NOW if restart else Verb.FAST
        argv = ["fast", "add", "--kind", kind, "--action", "remove", "--at", "1", *(["--restart"] if restart else [])]
        self.world.command(verb, argv, trouble)

    @rule(trouble=TROUBLES, name=NAMES, url=st.sampled_from(writers.URLS))
    def save_an_upstream(self, trouble: Trouble, name: str, url: str) -> None:
        argv = ["upstream", "add", name, "--replace", "--upstream-base", url, "--clear-upstream-auth"]
        self.world.command(Verb.UPSTREAM_ADD, argv, trouble)

    @rule(trouble=TROUBLES, name=NAMES)
    def use_a_saved_upstream(self, trouble: Trouble, name: str) -> None:
        """Another route; the URL that an uninstall gives back stays, with the key that Codex has for it."""
        self.world.command(Verb.UPSTREAM_USE, ["upstream", "use", name, "--no-verify"], trouble)

    @rule(trouble=TROUBLES)
    def prepare_chatgpt_login(self, trouble: Trouble) -> None:
        self.world.command(Verb.PREPARE_LOGIN, ["prepare-chatgpt-login", "--apply"], trouble)

    @rule(trouble=TROUBLES)
    def start(self, trouble: Trouble) -> None:
        self.world.command(Verb.START, ["start"], trouble)

    @precondition(lambda self: self.world.site.computer.serving())
    @rule(trouble=st.one_of(WITH_WORKERS, WITH_WORKERS, KILLS, st.just(CALM)))
    def start_after_an_update(self, trouble: Trouble) -> None:
        self._replace(lambda: self.start(trouble=trouble))

    @precondition(lambda self: self.world.site.computer.serving())
    @rule(trouble=st.one_of(WITH_WORKERS, WITH_WORKERS, KILLS, st.just(CALM)))
    def install_after_an_update(self, trouble: Trouble) -> None:
        self._replace(lambda: self.install(trouble=trouble, port=None, url=None))

    def _replace(self, command: Callable[[], None]) -> None:
        self.world.site.computer.change(runtime_id=OLD_CODE)
        self.world.check()
        command()

    @rule(trouble=TROUBLES)
    def stop(self, trouble: Trouble) -> None:
        self.world.command(Verb.STOP, ["stop"], trouble)

    @rule(trouble=TROUBLES)
    def stop_by_force(self, trouble: Trouble) -> None:
        self.world.command(Verb.STOP_FORCED, ["stop", "--force"], trouble)

    @rule(trouble=TROUBLES)
    def autostart(self, trouble: Trouble) -> None:
        self.world.command(Verb.AUTOSTART, ["autostart"], trouble)

    @rule(trouble=TROUBLES, yes=st.booleans(), force=st.sampled_from([False, False, True]))
    def uninstall(self, trouble: Trouble, yes: bool, force: bool) -> None:  # noqa: FBT001 - flags
        # Over a file that does not parse, --force brings the whole backup back: tests/hard_cases has that.
        self._uninstall(Verb.UNINSTALL, [], trouble, yes=yes, force=force and not self.world.broken)

    @rule(trouble=TROUBLES, yes=st.booleans())
    def uninstall_and_keep_the_worker(self, trouble: Trouble, yes: bool) -> None:  # noqa: FBT001 - a flag
        self._uninstall(Verb.UNINSTALL_DEFERRED, ["--defer-stop"], trouble, yes=yes)

    @rule(trouble=TROUBLES, yes=st.booleans())
    def uninstall_and_keep_the_settings(self, trouble: Trouble, yes: bool) -> None:  # noqa: FBT001 - a flag
        self._uninstall(Verb.UNINSTALL_KEEPING, ["--keep-state"], trouble, yes=yes)

    @rule(trouble=TROUBLES)
    def recover(self, trouble: Trouble) -> None:
        self.world.command(Verb.RECOVER, ["recover"], trouble)

    @rule(argv=st.sampled_from([["status"], ["recover", "--dry-run"], ["journal", "list"], ["install", "--dry-run"]]))
    def look(self, argv: list[str]) -> None:
        """Reading changes nothing, whatever the home has been through."""
        before = self.world.site.home.image().fingerprint()
        self.world.site.run(argv)
        assert self.world.site.home.image().fingerprint() == before

    def _installed(self, model: Model, before: Images, answer: CommandAnswer | None) -> Model:
        layout = self.world.site.home.layout
        config, hooks = before.get(key_of(layout.config)), before.get(key_of(layout.hooks))
        manifest = before.get(key_of(layout.manifest), (b"", 0))[0]
        if self.world.interfered or b'"installed"' in manifest or writers.has_ours((hooks or (b"",))[0]):
            return model.installed(None, None)
        written = self.world.config, self.world.hooks_json
        return model.installed(config, hooks) if None not in written else model.installed(None, None)

    def _moved(self, change: list[str]) -> object:
        settings = self.world.site.survey().settings

        def moved(model: Model, _before: Images, _answer: CommandAnswer | None) -> Model:
            if change[0] != "--upstream-base" or settings is None or settings.upstream_base == change[1]:
                return model
            return model.moved(url_key(settings.provider), change[1])

        return moved

    def _uninstall(self, verb: Verb, flags: list[str], trouble: Trouble, *, yes: bool, force: bool = False) -> None:
        confirm = ["--confirm-chatgpt-direct-uninstall"] if yes else []
        argv = ["uninstall", *flags, *confirm, *(["--force"] if force else [])]

        def given_back(model: Model, _before: Images, answer: CommandAnswer | None) -> Model:
            if force:
                return model.forced(writers.leaves(self.world.config)).outside()
            if answer is not None and answer.code == 0:
                left = [] if self.world.robbed else writers.names_ours(self.world.config)
                assert left == [], f"I8: {argv} leaves Codex on an address of ours: {left}"
                self._is_exactly(model)
                return model.forgotten()
            return model.outside()

        self.world.command(verb, argv, trouble, given_back)

    def _is_exactly(self, model: Model) -> None:
        """Every byte and mode is back if nobody else has written since the install."""
        layout = self.world.site.home.layout
        image = self.world.site.home.image()
        for path, wanted in ((layout.config, model.exact), (layout.hooks, model.hooks_exact)):
            node = image.node(image.led_to(path))
            if wanted is not None:
                assert node is not None, f"I1: {path.name} is gone"
                assert (node.data, node.mode) == wanted, f"I1: {path.name} is not as it was before the install"


class Others(RuleBasedStateMachine):
    """The user, Codex, and tools that edit hooks.json."""

    world: World

    @rule(number=NUMBERS, drop=st.booleans())
    def user_edits_a_table(self, number: int, drop: bool) -> None:  # noqa: FBT001 - one of two acts
        self._edit(lambda text: (writers.drop_table if drop else writers.add_table)(text, number))

    @rule(number=NUMBERS)
    def user_adds_a_key_at_the_top(self, number: int) -> None:
        self._edit(lambda text: writers.add_key(text, number))

    @rule(url=st.sampled_from(writers.URLS))
    def user_points_the_provider_elsewhere(self, url: str) -> None:
        path, now = self._url()
        self._edit(lambda text: writers.set_url(text, path, now, url))

    @rule(spelling=st.sampled_from(writers.SPELLINGS))
    def somebody_spells_our_address_otherwise(self, spelling: str) -> None:
        path, now = self._url()
        data = self.world.config
        if data is not None and writers.leaves(data) is not None and writers.OUR_URL.fullmatch(now):
            respelled = writers.edited(data, writers.respell(data.decode(), path, now, spelling))
            if respelled is not None:
                self.world.site.home.put(self.world.site.home.layout.config, respelled)
                self.world.models = [model.wrote({}) for model in self.world.models]
        self.world.check()

    @rule()
    def user_deletes_the_url(self) -> None:
        path, now = self._url()
        self._edit(lambda text: writers.drop_url(text, path, now))

    @rule(wanted=st.booleans())
    def user_decides_about_hooks(self, wanted: bool) -> None:  # noqa: FBT001 - the value
        self._edit(lambda text: writers.set_flag(text, wanted))

    @rule(way=st.sampled_from(["crlf", "lf", "bom", "comment", "blank lines", "no end"]))
    def user_reformats(self, way: str) -> None:
        self._edit(lambda text: Edit(writers.reformatted(text, way), {}))

    @rule()
    def user_switches_our_hook_off(self) -> None:
        facts = self.world.site.survey()
        if facts.hook_entries and facts.config.doc is not None and facts.config.data is not None:
            key = facts.hook_entries[0].key
            edit = writers.switch_hook_off(facts.config.data.decode(), key)
            data = writers.edited(facts.config.data, edit)
            if data is not None:
                self.world.site.home.put(facts.layout.config, data)
                # What a rollback leaves of it is the user's: only what the command itself wrote is taken back.
                interrupted = self.world.interrupted
                self.world.models = [
                    model.wrote({}).hooks_written(shifted=interrupted) for model in self.world.models
                ]
        self.world.check()

    @rule(number=NUMBERS)
    def codex_writes(self, number: int) -> None:
        self.world.codex_writes(number)
        self.world.check()

    @rule()
    def codex_reads(self) -> None:
        data = self.world.config
        decided = len(self.world.models) == 1  # else nobody can tell what the text meant to its owner
        if decided and data is not None and writers.leaves(data) is not None:
            self.world.snapshot = (data, dict(self.world.models[0].mine))

    @rule(number=NUMBERS)
    def codex_writes_what_it_read_before(self, number: int) -> None:
        self.world.codex_writes_what_it_read_before(number)
        self.world.check()

    @rule(number=NUMBERS, first=st.booleans(), indent=st.sampled_from([None, 2, 4]))
    def tool_adds_a_hook(self, number: int, first: bool, indent: int | None) -> None:  # noqa: FBT001 - a place
        doc = writers.hooks_doc(self.world.hooks_json)
        groups = writers.session_start(doc)
        if writers.their_group(number) not in groups:
            groups.insert(0 if first else len(groups), writers.their_group(number))
        self._write_hooks(json.dumps(doc, indent=indent).encode())

    @rule(number=NUMBERS)
    def tool_removes_its_hook(self, number: int) -> None:
        doc = writers.hooks_doc(self.world.hooks_json)
        groups = writers.session_start(doc)
        groups[:] = [group for group in groups if group != writers.their_group(number)]
        self._write_hooks(json.dumps(doc, indent=1).encode())

    @rule()
    def user_deletes_the_hooks(self) -> None:
        self._write_hooks(None)

    def _write_hooks(self, data: bytes | None) -> None:
        if self.world.site.home.layout.hooks not in self.world.broken:
            self.world.write_hooks(data)
        self.world.check()

    def _edit(self, edit: object) -> None:
        data = self.world.config
        if data is not None and writers.leaves(data) is not None:
            self.world.write_config(edit(data.decode()))
            self.world.check()

    def _url(self) -> tuple[tuple[str, ...], str]:
        doc = self.world.site.survey().config.doc or {}
        provider = active_provider(doc) or "relay"
        return url_key(provider), provider_url(doc, provider) or "no such url"


class Mishaps(RuleBasedStateMachine):
    """Faults of files that others own."""

    world: World

    @rule(data=st.sampled_from(writers.BROKEN_CONFIGS))
    def config_is_broken(self, data: bytes) -> None:
        self._break(self.world.site.home.layout.config, data)

    @rule(data=st.sampled_from(writers.BROKEN_HOOKS))
    def hooks_are_broken(self, data: bytes) -> None:
        self._break(self.world.site.home.layout.hooks, data)

    def _break(self, path: Path, data: bytes) -> None:
        if self.world.site.disk.read(path) is not None and path not in self.world.broken:
            self.world.break_file(path, data)
        self.world.check()

    @precondition(lambda self: self.world.broken)
    @rule()
    def user_mends_what_is_broken(self) -> None:
        self.world.mend()
        self.world.check()

    @rule()
    def user_deletes_the_config(self) -> None:
        layout = self.world.site.home.layout
        if layout.config not in self.world.broken and not self.world.site.interrupted:
            self.world.site.home.take(layout.config)
            gone = {path: writers.GONE for model in self.world.models for path in model.mine}
            self.world.models = [model.wrote(gone) for model in self.world.models]
        self.world.check()

    @rule(mode=st.sampled_from([0o600, 0o640, 0o644, 0o444]), hooks=st.booleans())
    def user_sets_a_mode(self, mode: int, hooks: bool) -> None:  # noqa: FBT001 - which file
        path = self.world.site.home.layout.hooks if hooks else self.world.site.home.layout.config
        if self.world.site.disk.read(path) is not None:
            self.world.site.home.chmod(path, mode)
            self.world.others_wrote()
        self.world.check()

    @rule()
    def user_moves_the_config_to_his_dotfiles(self) -> None:
        home = self.world.site.home
        image = home.image()
        node = image.node(home.layout.config)
        if node is not None and image.led_to(home.layout.config) == key_of(home.layout.config):
            home.link(home.layout.config, dotfiles(home))
            self.world.others_wrote()
        self.world.check()

    @rule(which=st.sampled_from(["settings", "manifest", "backups", "provider_auth", "pid_file"]))
    def user_deletes_what_we_wrote_down(self, which: str) -> None:
        home, layout = self.world.site.home, self.world.site.home.layout
        paths = (
            [layout.backups / name for name in self.world.site.disk.names(layout.backups)]
            if which == "backups"
            else [getattr(layout, which)]
        )
        for path in paths:
            if self.world.site.disk.read(path) is not None:
                home.take(path)
                self.world.robbed = True
                self.world.models = [model.robbed() for model in self.world.models]
        self.world.check()


class Machine(RuleBasedStateMachine):
    """Faults of the computer."""

    world: World

    @rule()
    def worker_dies(self) -> None:
        self.world.site.computer.keep({})
        self.world.check()

    @rule(busy=st.booleans(), hung=st.sampled_from([False, False, True]))
    def worker_gets_work(self, busy: bool, hung: bool) -> None:  # noqa: FBT001 - how it is
        self.world.site.computer.change(busy=busy, hung=hung)
        self.world.check()

    @rule()
    def code_is_updated(self) -> None:
        self.world.site.computer.change(runtime_id=OLD_CODE)
        self.world.check()

    @rule(port=st.sampled_from([8787, 8788]))
    def stranger_takes_a_port(self, port: int) -> None:
        if self.world.site.computer.free(port):
            self.world.site.computer.strangers.add(port)
        self.world.check()

    @rule()
    def stranger_leaves(self) -> None:
        self.world.site.computer.strangers.clear()
        self.world.check()

    @rule()
    def reboot(self) -> None:
        self.world.site.computer.reboot()
        self.world.check()

    @rule(seed=SEEDS)
    def power_cut(self, seed: int) -> None:
        self.world.tally.power_cuts += 1
        files, settled = self.world.files(), not (self.world.interrupted or self.world.crashed or self.world.full)
        self.world.site.home.cut_power(random.Random(seed))
        lost = {path for path, data in self.world.files().items() if data != files[path]} - self.world.unsure
        assert not (settled and lost), f"I1: a power cut took back what was done: {lost}"
        self.world.unsure.clear()
        self.world.site.computer.reboot()
        self.world.crashed = True
        self.world.check()

    @rule()
    def disk_fills_up(self) -> None:
        self.world.full = True
        self.world.site.home.fill()

    @precondition(lambda self: self.world.full)
    @rule()
    def disk_has_space_again(self) -> None:
        self.world.full = False
        self.world.site.home.revive()

    @rule(login=st.sampled_from(sorted(LOGINS)))
    def user_signs_in(self, login: str) -> None:
        self.world.site.home.put(self.world.site.home.layout.auth, LOGINS[login])
        self.world.check()


class Lifecycle(Commands, Others, Mishaps, Machine):
    """One home from its first command on, in memory."""

    tally = Tally()

    @precondition(lambda self: not self.world.site.computer.serving())
    @rule(url=st.sampled_from(writers.URLS))
    def all_is_well_again(self, url: str) -> None:
        """The user mends what stands in the way, and has a proxy again: most lives would be spent without one."""
        if self.world.full:
            self.disk_has_space_again()
        self.stranger_leaves()
        if self.world.broken:
            self.user_mends_what_is_broken()
        self.install(trouble=CALM, port=None, url=url)

    def home(self) -> Home:
        return MemoryHome.empty()

    @initialize(
        config=st.sampled_from(sorted(writers.CONFIGS)),
        hooks=st.sampled_from(sorted(writers.HOOKS)),
        install=st.sampled_from([False, True, True, True]),
        lends=st.booleans(),
        trouble=st.one_of(st.just(CALM), st.just(CALM), TROUBLES),
    )
    def begin(
        self,
        config: str,
        hooks: str,
        install: bool,  # noqa: FBT001 - whether it is
        lends: bool,  # noqa: FBT001 - whether it can
        trouble: Trouble,
    ) -> None:
        home = self.home()
        text = writers.CONFIGS[config].encode()
        home.put(home.layout.config, text, 0o640)
        home.put(home.layout.auth, LOGINS["api key"])
        if writers.HOOKS[hooks] is not None:
            home.put(home.layout.hooks, writers.HOOKS[hooks].encode())
        mine = writers.leaves(text) or {}
        self.world = World(
            site=Site(home=home, computer=Computer(home=home.layout.home, lends=lends)),
            models=[Model(mine=mine, stood=mine)],
            hooks=writers.theirs((writers.HOOKS[hooks] or "{}").encode()),
            tally=self.tally,
        )
        if install:
            self.install(trouble=trouble, port=None, url=None)

    @invariant()
    def count(self) -> None:
        self.tally.steps += 1
