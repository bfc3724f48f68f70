"""Reads everything about one Codex home once and returns Facts. It writes nothing and takes no lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cfp
from cfp.codex import auth_json, config_toml, hook_trust, hooks_document
from cfp.codex.text import Unparseable
from cfp.core.facts import Facts, PortFact, PortState, Runtime, TextFact
from cfp.core.health import WorkerHealth, parse_health
from cfp.core.manifest import Manifest, parse_manifest
from cfp.core.provider_auth import stored_keys
from cfp.core.settings import DEFAULT_HOST, DEFAULT_PORT, Settings, parse_settings
from cfp.errors import Refused
from cfp.host.disk import DISK, Disk
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.system import windows
from cfp.host.worker import code_id, control_socket, discovery, probe
from cfp.host.worker.health import health_at
from cfp.host.worker.predecessor import find_predecessor, find_unrecorded
from cfp.layout import Layout

PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAddress:
    """The address that the command line names; None for the saved one, else the default."""

    host: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerQueries:
    """Queries about the ports and worker processes of this machine.

    at_address  the listener at an address
    by_process  the worker of a home that no recorded address leads to, found by its process
    draining    the workers of a home that have handed over and finish their streams
    """

    at_address: Callable[[Layout, str, int], PortFact]
    by_process: Callable[[Layout, tuple[PortFact | None, ...]], PortFact | None]
    draining: Callable[[Layout], tuple[PortFact, ...]]


def survey(
    layout: Layout,
    environ: Mapping[str, str],
    *,
    address: RequestedAddress | None = None,
    codex_version: tuple[int, ...] | None = None,
    queries: WorkerQueries | None = None,
    disk: Disk = DISK,
    locked: bool = False,
    settled: bool = False,
) -> Facts:
    """Read one home.

    codex_version  the CLI's, where the command asked for it
    queries        about ports and processes; None: those of this machine
    disk           reads files and the clock
    locked         the caller holds the journal's lock
    settled        the caller has settled the interrupted transactions: the survey looks for none
    """
    queries = queries or WorkerQueries(at_address=_port, by_process=_by_process, draining=_draining)
    config = _text(disk, layout.config, config_toml.parse)
    hooks = _text(disk, layout.hooks, hooks_document.parse)
    record = _OwnFiles(disk)
    settings_data, settings, settings_error = _settings(record, layout.settings)
    manifest_data, manifest, manifest_error = _manifest(record, layout.manifest)
    recorded = settings or (manifest.settings if manifest else None)
    worker = queries.at_address(layout, recorded.host, recorded.port) if recorded else None
    host, port = _candidate(address or RequestedAddress(), recorded)
    known = worker is not None and (worker.host, worker.port) == (host, port)
    candidate = worker if known else queries.at_address(layout, host, port)
    dotenv = parse_dotenv(disk.read(layout.dotenv), environ)
    auth = disk.read(layout.auth)
    backups = _backups(disk, layout)
    return Facts(
        layout=layout,
        now=disk.now(),
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
        login=auth_json.login_mode(auth, _text_of(config, "cli_auth_credentials_store")),
        opted_out=_text_of(config, "service_tier") == "default",
        provider_keys=frozenset(stored_keys(disk.read(layout.provider_auth))),
        environment=frozenset(name for name, value in {**environ, **dotenv}.items() if value),
        user_environment=frozenset(name for name, value in windows.user_environ().items() if value),
        dotenv=frozenset(name for name, value in dotenv.items() if value),
        auth_names=auth_json.names(auth),
        worker=worker,
        candidate=candidate,
        worker_by_process=queries.by_process(layout, (worker, candidate)),
        draining=queries.draining(layout),
        interrupted=() if settled else _interrupted(disk, layout, locked=locked),
        backup_contents=_kept(record, layout, backups) if manifest is None else (),
        codex_version=codex_version,
        unreadable=tuple((str(path), why) for path, why in record.read_errors.items()),
    )


class _OwnFiles:
    """Reads our own record; `read_errors` has the reason for each existing file that cannot be read."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.read_errors: dict[Path, str] = {}

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
    )


def _candidate(address: RequestedAddress, recorded: Settings | None) -> tuple[str, int]:
    host = address.host or (recorded.host if recorded else DEFAULT_HOST)
    return host, address.port or (recorded.port if recorded else DEFAULT_PORT)


def _port(layout: Layout, host: str, port: int) -> PortFact:
    health = health_at(host, port, PROBE_TIMEOUT_S)
    if health is not None:
        home = health.codex_home
        ours = _is_this_home(home, layout) if home else find_predecessor(layout, host, port) is not None
        state = PortState.OURS if ours else PortState.OTHER_HOME
        owner = f"the worker of {home or 'another Codex home'}"
        lends = ours and _hands_over(health, layout)
        return PortFact(host=host, port=port, state=state, health=health, owner=owner, hands_over=lends)
    if probe.port_free(host, port):
        return PortFact(host=host, port=port, state=PortState.FREE)
    owner_found = probe.port_owner(port)
    owner = f"process {owner_found.pid}" if owner_found and owner_found.pid else "another program"
    barred = owner_found is None and probe.port_barred(host, port)
    return PortFact(host=host, port=port, state=PortState.FOREIGN, owner=owner, barred=barred)


def _by_process(layout: Layout, known: tuple[PortFact | None, ...]) -> PortFact | None:
    """Return the worker of this home that no known address leads to; of a hanging one only the pid is known."""
    if any(at is not None and at.state is PortState.OURS for at in known):
        return None
    draining = {at.pid for at in _draining(layout)}
    workers = discovery.find_workers(layout.home)
    worker = next((one for one in workers if one.pid not in draining), None)
    if worker is None:
        return _unrecorded_predecessor(layout)
    asked_already = any(at is not None and (at.host, at.port) == (worker.host, worker.port) for at in known)
    health = None if asked_already else health_at(worker.host, worker.port, PROBE_TIMEOUT_S)
    if health is None or health.nonce != worker.nonce:
        answer = {"ok": False, "pid": worker.pid, "nonce": worker.nonce, "started": worker.started}  # as far as known
        return PortFact(host=worker.host, port=worker.port, state=PortState.OURS, health=parse_health(answer))
    return PortFact(
        host=worker.host,
        port=worker.port,
        state=PortState.OURS,
        health=health,
        hands_over=_hands_over(health, layout),
    )


def _unrecorded_predecessor(layout: Layout) -> PortFact | None:
    at = find_unrecorded(layout)
    return None if at is None else _port(layout, *at)


def _draining(layout: Layout) -> tuple[PortFact, ...]:
    return tuple(
        PortFact(host=health.host, port=health.port, state=PortState.OURS, health=health)
        for health in discovery.draining_workers(layout)
    )


def _hands_over(health: WorkerHealth, layout: Layout) -> bool:
    """Whether the worker offers a handover and its control socket exists: its home may have been deleted."""
    return control_socket.CAN_HAND_OVER and health.hands_over and layout.control(health.nonce).exists()


def _is_this_home(home: str, layout: Layout) -> bool:
    return os.path.realpath(home) == os.path.realpath(layout.home)


def _text(disk: Disk, path: Path, parse: Any) -> TextFact:
    data, error = disk.try_to_read(path)
    if data is None:
        return TextFact(data=None, doc=None, error=error)
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


def _manifest(record: _OwnFiles, path: Path) -> tuple[bytes | None, Manifest | None, str]:
    data, error = record.try_to_read(path)
    if data is None:
        return None, None, error
    try:
        return data, parse_manifest(data), ""
    except Refused as refused:
        return data, None, str(refused.details.get("reason", refused.code))


def _backups(disk: Disk, layout: Layout) -> tuple[str, ...]:
    names = disk.names(layout.backups)
    return tuple(sorted(name for name in names if name.startswith("config.toml.") and name.endswith(".bak")))


def _kept(record: _OwnFiles, layout: Layout, names: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    backups = ((layout.backups / name, record.read(layout.backups / name)) for name in reversed(names))
    return tuple((str(path), data) for path, data in backups if data is not None)


def _interrupted(disk: Disk, layout: Layout, *, locked: bool) -> tuple[str, ...]:
    """The interrupted transactions, by the one listing that needs nothing of the journal's machinery.

    While others hold the lock what is open is theirs, and at work.
    """
    open_records = sorted(name.removesuffix(".open") for name in disk.names(layout.journal) if name.endswith(".open"))
    return () if open_records and not locked and disk.is_locked(layout.journal_lock) else tuple(open_records)
