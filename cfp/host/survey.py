"""Reads everything about one Codex home once and returns Facts. It writes nothing and takes no lock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cfp
from cfp.codex import auth_json, config_toml, hook_trust, hooks_document
from cfp.codex.hook_command import powershell_path
from cfp.codex.text import Unparseable
from cfp.core.facts import Facts, PortFact, PortState, Runtime, TextFact
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.manifest import FormerAddress, Manifest, parse_addresses, parse_manifest
from cfp.core.ownership import Ownership
from cfp.core.provider import configured_urls
from cfp.core.settings import DEFAULT_HOST, DEFAULT_PORT, Settings, loopback_port, parse_settings
from cfp.core.tiers.history import measurements, parse_history
from cfp.core.tiers.records import parse_records
from cfp.errors import Refused
from cfp.host.administrator import read_system_files
from cfp.host.disk import DISK, Disk
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.provider.key_flaws import flawed_keys
from cfp.host.provider.keys import CodexFiles
from cfp.host.system import windows
from cfp.host.system.files import file_use
from cfp.host.system.interpreters import system_temporary, temporary_folder
from cfp.host.system.ownership import entries
from cfp.host.worker import code_id
from cfp.host.worker.own_port import own_ports
from cfp.host.worker.queries import LOCAL_QUERIES, WorkerQueries
from cfp.layout import Layout, home_identity, is_same_home, known_default_home
from cfp.variables import names_of, variables_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAddress:
    """The addresses that the command line names: the proxy's, None for the saved one, else the default.

    upstream_base  the provider's URL, which may lead to this machine too
    """

    host: str | None = None
    port: int | None = None
    upstream_base: str | None = None


def survey(
    layout: Layout,
    environ: Mapping[str, str],
    *,
    address: RequestedAddress | None = None,
    queries: WorkerQueries | None = None,
    disk: Disk = DISK,
    locked: bool = False,
    settled: bool = False,
    despite_use: bool = False,
) -> Facts:
    """Read one home.

    queries        about ports and processes; None: those of this machine
    disk           reads files and the clock
    locked         the caller holds the journal's lock
    settled        the caller has settled the interrupted transactions: the survey looks for none
    despite_use    go on where another program keeps a file to itself (Windows)

    Raises Refused(file_in_use) for such a file otherwise, so that no file is taken for missing or damaged.
    """
    queries = queries or LOCAL_QUERIES
    disk = _NotingDisk(disk)
    config = _text(disk, layout.config, config_toml.parse)
    hooks = _text(disk, layout.hooks, hooks_document.parse)
    record = _OwnFiles(disk)
    settings_data, settings, settings_error = _settings(record, layout.settings)
    manifest_data, manifest, manifest_error = _manifest(record, layout)
    recorded = settings or (manifest.settings if manifest else None)
    worker = queries.at_address(layout, recorded.host, recorded.port) if recorded else None
    default = known_default_home(environ)
    is_default = default is not None and is_same_home(layout.home, default)
    sharing = _sharing_home(disk, worker, None if is_default or default is None else Layout(default))
    look = _Look(layout=layout, queries=queries, worker=worker)
    leaves = recorded is None or sharing != ""
    requested = address or RequestedAddress()
    candidate = look.candidate(requested, recorded, chooses=leaves and not is_default)
    names_default = recorded is None and f":{DEFAULT_PORT}/".encode() in (config.data or b"")
    dotenv = parse_dotenv(disk.read(layout.dotenv), environ)
    user_environ = windows.user_environ()
    auth, auth_error = disk.try_to_read(layout.auth)
    provider_auth = record.read(layout.provider_auth)
    backups = _backups(disk, layout)
    store = _text_of(config, "cli_auth_credentials_store")
    addresses_data = record.read(layout.addresses)
    backup_contents = _kept(record if manifest is None else disk, layout, backups)
    addresses = parse_addresses(addresses_data)
    named_ports = _named_ports(config, manifest, requested.upstream_base)
    ports = _doubtful(named_ports, recorded, addresses, backup_contents)
    now = disk.now()
    if disk.in_use and not despite_use:
        raise file_use.refusal(Path(next(iter(disk.in_use))))
    return Facts(
        layout=layout,
        now=now,
        runtime=describe_runtime(),
        home_exists=disk.is_folder(layout.home),
        config=config,
        hooks=hooks,
        hook_entries=_trust(config, hooks, layout),
        settings=settings,
        settings_data=settings_data,
        settings_error=settings_error,
        manifest=manifest,
        manifest_data=manifest_data,
        manifest_error=manifest_error,
        backup=record.read(Path(manifest.backup_path)) if manifest and manifest.backup_path else None,
        backups=backups,
        login=auth_json.login_mode(auth, store),
        codex_login=auth_json.login(
            b"" if auth_error else auth,
            store,
            environ.get("CODEX_ACCESS_TOKEN"),  # as one that is no JSON
        ),
        provider_keys=frozenset(stored_keys(provider_auth)),
        environment=names_of(variables_of(environ, dotenv)),
        user_environment=names_of(user_environ),
        dotenv=names_of(dotenv),
        auth_names=auth_json.names(auth),
        auth_flaw=f"cannot be read ({auth_error})" if auth_error else auth_json.flaw(auth),
        worker=worker,
        candidate=candidate,
        default_address=look.at(DEFAULT_HOST, DEFAULT_PORT)
        if names_default and candidate.port != DEFAULT_PORT
        else None,
        is_default_home=is_default,
        sharing_home=sharing,
        worker_by_process=queries.by_process(layout, (worker, candidate)),
        draining=queries.draining(layout),
        interrupted=() if settled else _interrupted(disk, layout, locked=locked),
        backup_contents=backup_contents,
        system=read_system_files(),
        unreadable=tuple(
            (str(path), why)
            for path, why in {**_unlisted(disk, layout), **disk.unlisted, **record.read_errors}.items()
        ),
        ownership=home_ownership(disk, layout),
        flawed_keys=flawed_keys(
            CodexFiles(
                config=config.root,
                auth=auth,
                dotenv=disk.read(layout.dotenv),
                environ=environ,
                user_environ=user_environ,
            ),
            settings,
            provider_auth,
        ),
        tier_records=parse_records(disk.read(layout.tier_records), now.timestamp()),
        measurements=measurements(parse_history(disk.read(layout.benchmark_history)), now.timestamp()),
        newer_version=record.newer_version,
        addresses=addresses,
        addresses_data=addresses_data,
        in_use=tuple(disk.in_use),
        neighbours=tuple(look.at(DEFAULT_HOST, port) for port in ports if port != candidate.port),
    )


def _unlisted(disk: Disk, layout: Layout) -> dict[Path, str]:
    """Return the folders that exist and cannot be listed, each with the reason."""
    folders = (layout.home, *layout.own_folders)
    return {folder: why for folder in folders if (why := disk.why_unlisted(folder))}


def home_ownership(disk: Disk, layout: Layout) -> Ownership:
    """Read the owners of the home, its shared files and our own; auth.json is Codex's alone."""
    files = (path for folder in layout.own_folders for path in entries(folder))
    return disk.ownership(layout.home, (layout.config, layout.hooks, layout.backups.parent, *files))


class _NotingDisk:
    """Reads through another disk.

    in_use    each file that another program keeps to itself
    unlisted  each folder that could not be listed, with the reason: its names are unknown, not none
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.in_use: dict[str, None] = {}
        self.unlisted: dict[Path, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        data, error = self._disk.try_to_read(path)
        if error == file_use.IN_USE:
            self.in_use[str(path)] = None
        return data, error

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]

    def names(self, folder: Path) -> list[str]:
        names, why = self._disk.try_to_list(folder)
        if why:
            self.unlisted[folder] = why
        return names


class _OwnFiles:
    """Reads our own record; `read_errors` has the reason for each existing file that cannot be read.

    newer_version  the version of this program that wrote a file whose format is not known here
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.read_errors: dict[Path, str] = {}
        self.newer_version = ""

    def try_to_read(self, path: Path) -> tuple[bytes | None, str]:
        data, error = self._disk.try_to_read(path)
        if data is None and error:
            self.read_errors[path] = error
        return data, error

    def read(self, path: Path) -> bytes | None:
        return self.try_to_read(path)[0]


@cache
def describe_runtime() -> Runtime:
    """Describe the code of this process."""
    return Runtime(
        runtime_id=code_id.runtime_id(),
        version=cfp.__version__,
        python=code_id.python_path(),
        package=code_id.package_path(),
        user_base=code_id.user_base(),
        powershell=powershell_path(os.environ),
        temporary=temporary_folder(code_id.python_path(), system_temporary()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Looks at addresses for one home; `worker` is the saved one, which is looked at already."""

    layout: Layout
    queries: WorkerQueries
    worker: PortFact | None

    def at(self, host: str, port: int) -> PortFact:
        if self.worker is not None and (self.worker.host, self.worker.port) == (host, port):
            return self.worker
        return self.queries.at_address(self.layout, host, port)

    def candidate(self, address: RequestedAddress, recorded: Settings | None, *, chooses: bool) -> PortFact:
        """Return the address that an install takes; `chooses`: without a flag, it is a port of the home's own."""
        host = address.host or (recorded.host if recorded else DEFAULT_HOST)
        if address.port or not chooses:
            return self.at(host, address.port or (recorded.port if recorded else DEFAULT_PORT))
        looked_at = []
        for port in own_ports(home_identity(self.layout.home)):
            if self.worker is not None and port == self.worker.port:  # the shared one
                continue
            looked_at.append(self.at(host, port))
            if looked_at[-1].state in _USABLE:
                return looked_at[-1]
        return looked_at[0]


_USABLE = frozenset({PortState.FREE, PortState.OURS})


def _sharing_home(disk: Disk, worker: PortFact | None, default: Layout | None) -> str:
    """Return the other home that has the port of `worker`; `default` is None for the default home itself."""
    if worker is None:
        return ""
    if worker.state is PortState.OTHER_HOME:
        return worker.health.codex_home if worker.health is not None else ""
    if default is None:
        return ""
    try:
        saved = parse_settings(disk.read(default.settings) or b"")
    except Refused:
        return ""
    return str(default.home) if saved.port == worker.port else ""


def _text(disk: Disk, path: Path, parse: Any) -> TextFact:
    data, error = disk.try_to_read(path)
    if data is None:
        return TextFact(data=None, doc=None, error=error, in_use=error == file_use.IN_USE)
    try:
        return TextFact(data=data, doc=parse(data))
    except Unparseable as bad:
        return TextFact(data=data, doc=None, error=str(bad))


def _text_of(config: TextFact, key: str) -> str | None:
    value = config.root.get(key)
    return value if isinstance(value, str) else None


def _trust(config: TextFact, hooks: TextFact, layout: Layout) -> tuple[hook_trust.HookTrust, ...]:
    if hooks.doc is None:
        return ()
    return hook_trust.status(config.root, hooks.doc, str(layout.hooks))


def _settings(record: _OwnFiles, path: Path) -> tuple[bytes | None, Settings | None, str]:
    data, error = record.try_to_read(path)
    if data is None:
        return None, None, error
    try:
        return data, parse_settings(data), ""
    except Refused as refused:
        return data, None, str(refused.details.get("reason", refused.code))


def _manifest(record: _OwnFiles, layout: Layout) -> tuple[bytes | None, Manifest | None, str]:
    data, error = record.try_to_read(layout.manifest)
    if data is None:
        return None, None, error
    try:
        return data, parse_manifest(data).in_home(layout), ""
    except Refused as refused:
        if refused.code == "record_of_newer_version":
            record.newer_version = refused.details["version"]
            record.read_errors[layout.manifest] = f"version {record.newer_version} of this program wrote it"
        return data, None, str(refused.details.get("reason", refused.code))


def _backups(disk: Disk, layout: Layout) -> tuple[str, ...]:
    names = disk.names(layout.backups)
    return tuple(sorted(name for name in names if name.startswith("config.toml.") and name.endswith(".bak")))


def _kept(record: _OwnFiles | Disk, layout: Layout, names: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    backups = ((layout.backups / name, record.read(layout.backups / name)) for name in reversed(names))
    return tuple((str(path), data) for path, data in backups if data is not None)


def _named_ports(config: TextFact, manifest: Manifest | None, upstream_base: str | None) -> tuple[int, ...]:
    """Return the ports of this machine that providers' URLs name."""
    before = [edit.before for edit in (manifest.config.edits or ())] if manifest else []
    urls = (*configured_urls(config.root).values(), *before, upstream_base)
    ports = (loopback_port(url) for url in urls if isinstance(url, str))
    return tuple(dict.fromkeys(port for port in ports if port))


def _doubtful(
    ports: tuple[int, ...],
    recorded: Settings | None,
    addresses: tuple[FormerAddress, ...],
    backups: tuple[tuple[str, bytes], ...],
) -> tuple[int, ...]:
    """Return the ports that may be former ones of the proxy: a model server that never was in doubt is left alone."""
    upstream = loopback_port(recorded.upstream_base) if recorded else None
    former = {address.port for address in addresses}
    in_backups = {port for port in ports for _, data in backups if b":%d" % port in data}
    return tuple(port for port in ports if port in former or (port in in_backups and port != upstream))


def _interrupted(disk: Disk, layout: Layout, *, locked: bool) -> tuple[str, ...]:
    """Return the interrupted transactions from a listing of the journal's folder, without the journal's code.

    While others hold the lock what is open is theirs, and at work.
    """
    open_records = sorted(name.removesuffix(".open") for name in disk.names(layout.journal) if name.endswith(".open"))
    return () if open_records and not locked and disk.is_locked(layout.journal_lock) else tuple(open_records)
