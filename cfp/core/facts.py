"""The facts of one Codex home: read once, before anything is decided."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cfp.codex.app_server.answers import CodexAnswers
from cfp.codex.auth_json import Login, LoginMode
from cfp.codex.config_toml import merged
from cfp.codex.hook_trust import HookTrust
from cfp.codex.refusals.config import selected_profile
from cfp.core.health import WorkerHealth
from cfp.core.keys.flaws import FlawedKey
from cfp.core.manifest import FormerAddress, Manifest, ManifestState, digest
from cfp.core.ownership import UNKNOWN, Ownership
from cfp.core.policy import chosen_tier, is_opt_out
from cfp.core.settings import Settings
from cfp.core.tiers.records import TierRecord
from cfp.core.tiers.verdict import Measurement
from cfp.layout import SYSTEM, Layout, SystemLayout


class PortState(enum.StrEnum):
    """The kind of program that answers at an address."""

    FREE = "free"
    OURS = "ours"  # a worker of this Codex home
    OTHER_HOME = "other_home"  # a worker of another Codex home
    FOREIGN = "foreign"  # another program


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFact:
    """A parsed file; `doc` None where it is missing or does not parse, then `error` has the reason.

    in_use  another program keeps the file to itself (Windows): nothing is known of its content
    """

    data: bytes | None
    doc: Mapping[str, Any] | None
    error: str = ""
    in_use: bool = False

    @property
    def root(self) -> Mapping[str, Any]:
        """The document's top-level members; none where it is missing or does not parse."""
        return self.doc or {}

    @property
    def is_unparseable(self) -> bool:
        """Whether the file is there and cannot be read or parsed."""
        return self.doc is None and (self.data is not None or self.error != "")

    @property
    def is_unreadable(self) -> bool:
        """Whether the file is there and cannot be read now; one that another program keeps is a case of its own."""
        return self.data is None and self.error != "" and not self.in_use


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFiles:
    """The administrator's files of Codex, as tables; empty for one that is missing.

    config        config.toml, below the user's
    managed       managed_config.toml, above the user's and above the command line
    requirements  requirements.toml, above all
    """

    layout: SystemLayout = SYSTEM
    config: Mapping[str, Any] = field(default_factory=dict)
    managed: Mapping[str, Any] = field(default_factory=dict)
    requirements: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenProgram:
    """A program that a hook of ours starts in vain, and the reason in a clause."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFact:
    """One loopback address and the program that listens there.

    health      the worker's health, also of another home's worker
    owner       the program in words, for a refusal
    other_user  FOREIGN, and the kernel reports that the listener is another user's
    hands_over  a next worker can take its listener over, so that no client is cut off or refused
    barred      FOREIGN, but nobody listens there: the system does not give the address away
    out_of_sight  OURS, and its process cannot be seen from here, as in a sandbox or a container
    free_port   FOREIGN or OTHER_HOME: a port near by where a worker could listen, 0 without one
    """

    host: str
    port: int
    state: PortState
    health: WorkerHealth | None = None
    owner: str = ""
    hands_over: bool = False
    barred: bool = False
    other_user: bool = False
    out_of_sight: bool = False
    free_port: int = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id; None where no worker answers."""
        return None if self.health is None else self.health.pid

    @property
    def nonce(self) -> str:
        """The worker's nonce; empty for 0.1.0's, and where no worker answers."""
        return "" if self.health is None else self.health.nonce


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The code and interpreter of this process.

    user_base   the base of the user's site where this program is installed there, else ""
    powershell  path of powershell.exe, for a hook on Windows
    temporary   the cache or temporary folder that the interpreter lies in; "" for a place that lasts
    """

    runtime_id: str
    version: str
    python: str
    package: str
    user_base: str = ""
    powershell: str = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    temporary: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "runtime_id": self.runtime_id,
            "version": self.version,
            "python": self.python,
            "package": self.package,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One Codex home at one moment.

    worker             the address in settings.json; None without settings
    candidate          the address that an install takes: the flags', else the saved one, else 8787 for the default
                       home and a port of its own for another one, which also leaves a port that it shares
    default_address    8787, where config.toml names it and `candidate` is another port; None elsewhere
    is_default_home    the home is the one that Codex uses without CODEX_HOME
    sharing_home       another home with the saved port: its proxy answers there, or it is the default home and has
                       saved that port too; "" for none
    worker_by_process  the worker of this home, found by its process, that answers at neither: it hangs, or serves at
                       an address that is recorded nowhere
    draining           workers of this home that have handed over, and finish the streams that they have
    backup             the bytes behind manifest.backup_path, None where there is no such file
    backups            names of the backups, oldest first
    backup_contents    path and bytes of each of them, newest first
    addresses          every recorded address of the proxy, oldest first; `addresses_data`: the file
    neighbours         the programs at the other loopback addresses that config.toml, the record of the installation
                       or --upstream-base names
    in_use             the files that other programs keep to themselves (Windows); only the hook goes on then
    user_environment   names that Windows keeps for new programs of this user; none elsewhere
    codex_login        the login that Codex uses, of those that `login` counts and of kinds that it does not
    environment        names of the variables that are set and not blank, $CODEX_HOME/.env included
    dotenv             those of them that .env sets, which a reboot therefore leaves
    provider_keys      entries with a key in provider-auth.json: providers, and saved upstreams
    auth_names         names of the texts in auth.json, a key's among them
    auth_flaw          the reason for which Codex cannot parse auth.json, "" where it can
    interrupted        ids of the interrupted transactions, oldest first
    unreadable         path of each file of our own record that cannot be read, and of each folder that cannot be
                       listed, with the reason: the disk's fault, not the content's, so another try may succeed
    is_walled          this process may use no socket: what the survey reports of ports and workers means nothing
    newer_version      the newer version of this program that wrote the manifest (see `unreadable`); "" for none
    ownership          the user of this process, and the owners of the home, its shared files and our own
    tier_records       the evidence about providers' tiers, a week's at most
    measurements       the benchmarks of the last week that could decide, the newest last
    flawed_keys        keys that cannot be sent, or stand in the wrong place; no part of the key itself
    system             the administrator's files
    profiles           the home's profile files by their names, as tables; only where the command asked Codex, too
    version_in_home    of the Codex that used the home last, by its files; None where a CLI is found
    codex_version      of the CLI on PATH; None where there is none, or it was not run
    codex              the CLI's own word on this home; None where it was not asked, or gave none
    broken_hook        the program of our hook, where it does not start; None where it does, or was not looked at
    """

    layout: Layout
    now: datetime
    runtime: Runtime
    home_exists: bool
    config: TextFact
    hooks: TextFact
    hook_entries: tuple[HookTrust, ...]
    settings: Settings | None
    settings_data: bytes | None
    settings_error: str
    manifest: Manifest | None
    manifest_data: bytes | None
    manifest_error: str
    backup: bytes | None
    backups: tuple[str, ...]
    login: LoginMode
    codex_login: Login
    provider_keys: frozenset[str]
    environment: frozenset[str]
    user_environment: frozenset[str] = frozenset()
    dotenv: frozenset[str]
    auth_names: frozenset[str]
    auth_flaw: str = ""
    worker: PortFact | None
    candidate: PortFact | None
    interrupted: tuple[str, ...] = field(default=())
    backup_contents: tuple[tuple[str, bytes], ...] = ()
    codex_version: tuple[int, ...] | None = None
    version_in_home: tuple[int, ...] | None = None
    system: SystemFiles = field(default_factory=SystemFiles)
    codex: CodexAnswers | None = None
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    broken_hook: BrokenProgram | None = None
    default_address: PortFact | None = None
    is_default_home: bool = True
    sharing_home: str = ""
    worker_by_process: PortFact | None = None
    draining: tuple[PortFact, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    is_walled: bool = False
    newer_version: str = ""
    ownership: Ownership = UNKNOWN
    tier_records: tuple[TierRecord, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    flawed_keys: tuple[FlawedKey, ...] = ()
    addresses: tuple[FormerAddress, ...] = ()
    addresses_data: bytes | None = None
    neighbours: tuple[PortFact, ...] = ()
    in_use: tuple[str, ...] = ()

    @property
    def codex_config(self) -> Mapping[str, Any]:
        """The config that Codex reads for a session without flags: config.toml and what stands below and above it."""
        return self.as_codex_reads(self.config.root)

    @property
    def opted_out(self) -> bool:
        """Whether the tier in force is the choice of a user who wants no Fast."""
        return is_opt_out(self.tier_in_force)

    @property
    def tier_in_force(self) -> Any:
        """Return Codex's own word, else that of the files, the highest first; the worker reads the same files.

        A Codex that still reads a selected profile names what that profile covers (0.130).
        """
        layers = (self.system.requirements, self.system.managed, self.config.root, self.system.config)
        if self.codex is not None and not self.codex.refusal and not any("profile" in layer for layer in layers):
            return None if self.codex.service_tier is None else self.codex.service_tier.value
        return next((tier for layer in layers if (tier := chosen_tier(layer)) is not None), None)

    def as_codex_reads(self, doc: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a config.toml over the administrator's; a Codex before 0.140 puts the selected profile on top."""
        both = merged(self.system.config, doc)
        profile = selected_profile(both, self.codex_version)
        return both if profile is None else merged(both, profile)

    @property
    def is_installed(self) -> bool:
        """Whether the manifest records an installation whose files were not given back."""
        return self.manifest is not None and self.manifest.state is ManifestState.INSTALLED

    def at_port(self, port: int) -> PortFact | None:
        """Return the program at a port of this machine, where the survey looked there."""
        programs = (self.worker, self.candidate, self.default_address, *self.neighbours)
        return next((program for program in programs if program is not None and program.port == port), None)

    @property
    def all_unreadable(self) -> tuple[tuple[str, str], ...]:
        """Path and reason of each file that cannot be read: of our record, then config.toml and hooks.json."""
        shared = ((self.layout.config, self.config), (self.layout.hooks, self.hooks))
        return (*self.unreadable, *((str(path), fact.error) for path, fact in shared if fact.is_unreadable))

    @property
    def recorded_settings(self) -> Settings | None:
        """The saved settings, or those of the manifest where they are lost."""
        return self.settings or (self.manifest.settings if self.manifest else None)

    @property
    def recorded_backup(self) -> bytes | None:
        """The backup, where its hash is the one that the manifest recorded before the install."""
        if self.manifest is None or self.backup is None or digest(self.backup) != self.manifest.config.hash_before:
            return None
        return self.backup

    @property
    def own_worker(self) -> PortFact | None:
        """The worker of this home at the saved address."""
        return self.worker if self.worker is not None and self.worker.state is PortState.OURS else None

    @property
    def running_worker(self) -> PortFact | None:
        """The worker of this home: at the saved address, at the requested one, or where its process serves."""
        for worker in (self.worker, self.candidate, self.worker_by_process):
            if worker is not None and worker.state is PortState.OURS:
                return worker
        return None

    @property
    def answering_worker(self) -> PortFact | None:
        """The worker of this home that answers: at the saved address, or anywhere where no settings are saved."""
        if self.worker is not None:
            return self.own_worker
        worker = self.running_worker
        return worker if worker is not None and worker.health is not None and worker.health.ok else None
