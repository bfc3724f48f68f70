"""Facts made by hand: one plain home, and what a test wants different in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cfp.codex import config_toml, hook_trust, hooks_document
from cfp.codex.app_server.answers import CodexAnswers, HookEntry
from cfp.codex.auth_json import Login, LoginMode
from cfp.core.facts import Facts, PortFact, PortState, Runtime, TextFact
from cfp.core.health import parse_health
from cfp.core.manifest import parse_addresses, parse_manifest
from cfp.core.plan.install import InstallPlan
from cfp.core.settings import Settings, parse_settings
from cfp.layout import Layout
from journal.values import FileChange

HOME = Path("/home/user/.codex")
UPSTREAM = "https://relay.example/v1"
CONFIG = f"""\
model = "gpt-5.5"
model_provider = "relay"

[model_providers.relay]
name = "Relay"
base_url = "{UPSTREAM}"
env_key = "RELAY_KEY"
""".encode()
# Codex's word on a home whose config it takes, whatever our own reading says.
TAKEN = CodexAnswers()
# config.toml of a provider that takes Codex's login: no key of its own is in the way.
LOGIN_CONFIG = CONFIG.replace(b'env_key = "RELAY_KEY"', b"requires_openai_auth = true")
CODEX_LOGINS = {
    LoginMode.API_KEY: Login.API_KEY,
    LoginMode.CHATGPT: Login.CHATGPT,
    LoginMode.MIXED: Login.CHATGPT,
    LoginMode.UNKNOWN: Login.NONE,
}
RUNTIME = Runtime(runtime_id="0" * 16, version="0.2.0", python="/opt/python", package="/opt/cfp")


def text_fact(data: bytes | None, parse: Any) -> TextFact:
    return TextFact(data=data, doc=None if data is None else parse(data))


def facts(config: bytes | None = CONFIG, hooks: bytes | None = None, **other: Any) -> Facts:
    """A home with one custom provider, an API-key login and nothing of ours; `other` replaces single facts."""
    config_fact = text_fact(config, config_toml.parse)
    hooks_fact = text_fact(hooks, hooks_document.parse)
    layout = Layout(HOME)
    plain = Facts(
        layout=layout,
        now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        runtime=RUNTIME,
        home_exists=True,
        config=config_fact,
        hooks=hooks_fact,
        hook_entries=()
        if hooks_fact.doc is None
        else hook_trust.status(config_fact.doc or {}, hooks_fact.doc, str(layout.hooks)),
        settings=None,
        settings_data=None,
        settings_error="",
        manifest=None,
        manifest_data=None,
        manifest_error="",
        backup=None,
        backups=(),
        login=LoginMode.API_KEY,
        codex_login=CODEX_LOGINS[other.get("login", LoginMode.API_KEY)],
        provider_keys=frozenset(),
        environment=frozenset({"RELAY_KEY"}),
        dotenv=frozenset(),
        auth_names=frozenset(),
        worker=None,
        candidate=PortFact(host="127.0.0.1", port=8787, state=PortState.FREE),
        codex_version=(0, 169, 0),
    )
    return replace(plain, **other)


def worker_of(settings: Settings, runtime_id: str = RUNTIME.runtime_id, **other: Any) -> PortFact:
    """A worker of this home that serves these settings."""
    health = {**settings.to_json(), "ok": True, "pid": 4711, "nonce": "ab", "runtime_id": runtime_id, **other}
    return PortFact(host=settings.host, port=settings.port, state=PortState.OURS, health=parse_health(health))


def after(before: Facts, changes: tuple[FileChange, ...], worker: PortFact | None = None) -> Facts:
    """The facts of the same home once these changes are swapped in."""
    files = {change.path: change.after for change in changes}
    layout = before.layout
    config = files.get(layout.config, before.config.data)
    hooks = files.get(layout.hooks, before.hooks.data)
    settings_data = files.get(layout.settings, before.settings_data)
    manifest_data = files.get(layout.manifest, before.manifest_data)
    manifest = parse_manifest(manifest_data) if manifest_data else None
    backup = before.backup
    if manifest is not None and manifest.backup_path:
        backup = files.get(Path(manifest.backup_path), before.backup)
    kept = {path: data for path, data in files.items() if path.parent == layout.backups and path.suffix == ".bak"}
    contents = {path: data for path, data in before.backup_contents if data is not None}
    contents |= {str(path): data for path, data in kept.items() if data is not None}
    addresses_data = files.get(layout.addresses, before.addresses_data)
    return facts(
        config,
        hooks,
        settings=parse_settings(settings_data) if settings_data else None,
        settings_data=settings_data,
        manifest=manifest,
        manifest_data=manifest_data,
        backup=backup,
        backups=tuple(sorted({*before.backups, *(path.name for path in kept)})),
        backup_contents=tuple(sorted(contents.items(), reverse=True)),
        addresses=parse_addresses(addresses_data),
        addresses_data=addresses_data,
        neighbours=before.neighbours,
        login=before.login,
        codex_login=before.codex_login,
        provider_keys=before.provider_keys,
        environment=before.environment,
        worker=worker,
        candidate=worker or before.candidate,
        codex_version=before.codex_version,
        codex=before.codex,
        now=before.now,
    )


def installed(before: Facts, plan: InstallPlan) -> Facts:
    """The facts after an install that went through, with its worker running."""
    return after(before, plan.changes, worker_of(plan.settings))


def former_hook(home: Facts) -> hook_trust.HookTrust:
    """The hook of that home as version 0.2.0 wrote it."""
    entry = home.hook_entries[0]
    command = f"/opt/python -P -m codex_fast_proxy autostart --codex-home {home.layout.home} --quiet"
    return replace(entry, position=replace(entry.position, command=command))


def listing_of(home: Facts, trust: str, **other: Any) -> CodexAnswers:
    """Codex's word on a home with one hook of ours: the hook and its trust; `other` replaces single facts of it."""
    entry = home.hook_entries[0]
    plain = HookEntry(
        key=entry.key,
        event="sessionStart",
        command=entry.position.command,
        enabled=True,
        current_hash=entry.current_hash,
        trust_status=trust,
        source_path=str(home.layout.hooks),
    )
    return CodexAnswers(hooks=(replace(plain, **other),))
