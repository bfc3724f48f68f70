"""One Codex home on this machine: its paths, facts, journal, workers and CLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cfp
from cfp.codex.app_server.answers import CodexAnswers
from cfp.core.facts import Facts
from cfp.core.ownership import Ownership
from cfp.core.plan.hook import hook_command
from cfp.core.settings import is_same_value
from cfp.core.verdict.loading import config_refusal
from cfp.core.wire.identity import version_matters
from cfp.errors import CfpError, Failed
from cfp.host import codex_cli
from cfp.host.disk import Disk, MachineDisk
from cfp.host.places import read_place
from cfp.host.profiles import read_profiles
from cfp.host.programs.hook import broken_program
from cfp.host.provider.entered_key import enter_key, has_user
from cfp.host.reserve import Reserve
from cfp.host.session_version import version_of_home
from cfp.host.survey import RequestedAddress, home_ownership, survey
from cfp.host.waiting import Waiting, unseen
from cfp.host.worker.code_id import package_path, user_base
from cfp.host.worker.probe import sockets_barred
from cfp.layout import Layout, locate
from cfp.places import Place
from journal.values import Unmergeable

if TYPE_CHECKING:
    from cfp.host.worker.spawn import WorkerSpec
    from cfp.host.worker.supervisor import WorkerSupervisor
    from journal import Journal
    from journal.values import Format

LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Host:
    """`environ` is the command's environment.

    `disk` reads its files, `enter_key` asks its user for a key, where `has_user`; tests bring their own. `waiting`
    shows its user what it waits for.
    """

    layout: Layout
    environ: Mapping[str, str]
    python: str
    disk: Disk = field(default_factory=MachineDisk)
    enter_key: Callable[[], str] = enter_key
    has_user: Callable[[], bool] = has_user
    waiting: Waiting = unseen

    @classmethod
    def find(cls, codex_home: str | None, environ: Mapping[str, str], python: str) -> Host:
        return cls(layout=locate(codex_home, environ), environ=environ, python=python)

    def survey(
        self,
        address: RequestedAddress | None = None,
        *,
        ask_codex: bool = False,
        locked: bool = False,
        settled: bool = False,
        despite_use: bool = False,
    ) -> Facts:
        """Read everything once; `ask_codex` also asks the Codex CLI for its version and its word on this home.

        The CLI runs as well where the identity that reaches the provider depends on its version (before 0.149).

        locked   the caller holds the journal's lock: an open transaction belongs to no running command
        settled  the caller has settled the interrupted transactions: the survey looks for none
        despite_use  go on where another program keeps a file to itself, and else raise Refused(file_in_use)
        """

        def look() -> Facts:
            facts = survey(
                self.layout,
                self.environ,
                address=address,
                disk=self.disk,
                locked=locked,
                settled=settled,
                despite_use=despite_use,
            )
            return replace(facts, is_walled=True) if self.is_walled else facts

        facts = look()
        if ask_codex:
            complete = self.ask(facts)
            # Codex 0.130 adds `personality` to config.toml when a home with sessions is asked for the first time.
            has_written = complete.codex is not None and self.disk.read(self.layout.config) != facts.config.data
            return self.ask(look()) if has_written else complete
        return replace(facts, codex_version=self.codex_version) if version_matters(facts) else facts

    def survey_to_diagnose(self) -> Facts:
        """Read everything once, and ask Codex where its word counts: not in a home without an installation."""
        facts = self.survey()
        return self.ask(facts) if facts.settings is not None or config_refusal(facts) else facts

    def ask(self, facts: Facts) -> Facts:
        """Return the facts with Codex's own word, the profile files, and a trial of the hook's program."""
        try:
            answers = self.answers(facts)
        except CfpError:
            answers = None
        version = answers.version if answers is not None and answers.version is not None else self.codex_version
        in_home = version_of_home(self.layout, self.disk) if version is None else None
        hooks = [entry.position.command for entry in facts.hook_entries]
        return replace(
            facts,
            profiles=read_profiles(self.layout, self.disk),
            codex=answers,
            codex_version=version,
            version_in_home=in_home,
            broken_hook=broken_program(hooks, known_good=hook_command(facts)),
        )

    def answers(self, facts: Facts) -> CodexAnswers | None:
        """Return the Codex CLI's word on these files, asked once; None without a CLI or a home. Raises Failed."""
        if self.codex is None or not facts.home_exists:
            return None
        files = (facts.config.data, facts.hooks.data)
        if files not in self._answers_by_files:
            try:
                self._answers_by_files[files] = self.codex.answers(self.layout.home)
            except Failed as error:
                self._answers_by_files[files] = error
        answer = self._answers_by_files[files]
        if isinstance(answer, Failed):
            raise answer
        return answer

    @cached_property
    def is_walled(self) -> bool:
        """Whether this process may use no socket, as in Codex's own sandbox without network."""
        return sockets_barred()

    @cached_property
    def reserve(self) -> Reserve:
        """The room on the disk that an install keeps for the day when there is none."""
        return Reserve(self.layout)

    @property
    def ownership(self) -> Ownership:
        """The user of this process, and the owners of the home, its shared files and our own."""
        return home_ownership(self.disk, self.layout)

    @property
    def place(self) -> Place:
        """The place of the home: this system's own disk, or one where it cannot be kept safe."""
        return read_place(self.layout.home)

    @property
    def is_at_work(self) -> bool:
        """Whether a command holds the journal's lock now, as far as this system shows it."""
        return self.disk.is_locked(self.layout.journal_lock)

    @cached_property
    def codex(self) -> codex_cli.CodexCli | None:
        """The Codex CLI; None where it would run in another user's home, and leave files there."""
        if self.ownership.is_of_another:
            return None
        return codex_cli.find_codex(self.environ, self.layout.home, waiting=self.waiting)

    @cached_property
    def codex_version(self) -> tuple[int, ...] | None:
        try:
            return self.codex.version() if self.codex else None
        except CfpError:
            return None

    @cached_property
    def _answers_by_files(self) -> dict[tuple[bytes | None, ...], CodexAnswers | Failed]:
        return {}

    def import_error(self) -> str:
        """Return the reason why the program cannot be started by itself, as Codex will start it; "" where it can."""
        from cfp.host.system.isolation import import_error  # noqa: PLC0415  only an install asks

        return import_error(self.python, user_base(), package_path())

    @cached_property
    def workers(self) -> WorkerSupervisor:
        from cfp.host.worker.supervisor import WorkerSupervisor  # noqa: PLC0415  reading commands start no process

        return WorkerSupervisor(self.layout, self.python, user_base(), self.waiting)

    @cached_property
    def journal(self) -> Journal:
        """The write-ahead journal of this home; opening it writes nothing."""
        from cfp.host.worker.journal_processes import WorkerProcesses  # noqa: PLC0415  only mutating commands pay for these
        from journal import Journal, RealFs  # noqa: PLC0415  the same

        return Journal(
            self.layout.journal,
            fs=RealFs(),
            formats=formats(),
            processes=WorkerProcesses(self.layout, still_wanted=self._points_at),
            tool=f"codex-fast-proxy {cfp.__version__}",
        )

    def _points_at(self, worker: WorkerSpec) -> bool:
        """Whether config.toml, as it is at this moment, sends requests to that worker."""
        from cfp.codex.config_toml import parse  # noqa: PLC0415  only a recovery asks
        from cfp.core.provider import provider_url  # noqa: PLC0415

        try:
            doc = parse(self.disk.read(self.layout.config))
        except Unmergeable:
            return False
        return provider_url(doc, worker.settings.provider) == worker.settings.base_url


def formats() -> dict[str, Format]:
    """Return the formats of the files that the journal merges by keys."""
    from cfp.codex.config_toml import ConfigToml  # noqa: PLC0415  only mutating commands pay for these
    from cfp.codex.hooks_json import HOOKS_JSON  # noqa: PLC0415  the same

    return {"config_toml": ConfigToml(is_same_value), "hooks_json": HOOKS_JSON}
