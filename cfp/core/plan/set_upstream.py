"""The decision of `set-upstream`: another URL, key or policy, and the URL that an uninstall gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.manifest import Manifest, digest
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key
from cfp.core.plan.changes import manifest_change, settings_change
from cfp.core.plan.install import check_readable, prune_backups
from cfp.core.plan.worker import WorkerAction, refresh, serves
from cfp.core.provider import choose_provider, url_key
from cfp.core.settings import Settings
from cfp.core.state import State, state_of, uses_proxy
from cfp.errors import ConfigDrift, Refused, UsageError
from journal.values import FileChange, KeyEdit


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPlan:
    """The whole effect; `worker` is KEEP where the running one has the new settings, or is to keep its old ones."""

    settings: Settings
    previous: Settings
    changes: tuple[FileChange, ...]
    worker: WorkerAction
    restart_required: bool
    prune: tuple[Path, ...]
    from_state: State
    to_state: State


def plan_set_upstream(facts: Facts, request: RouteRequest, *, restart: bool) -> UpstreamPlan:
    """Decide; raises Refused(not_enabled), ConfigDrift(provider_repointed), and what `install` raises for a route."""
    if request == RouteRequest():
        raise UsageError("nothing_asked")
    check_readable(facts)
    previous, manifest = facts.settings, facts.manifest
    if previous is None or manifest is None:
        raise Refused("not_enabled")
    if not uses_proxy(facts):
        raise ConfigDrift("provider_repointed", provider=previous.provider)
    target = choose_provider(facts.config.root, previous.provider)
    settings = candidate_settings(facts, replace(request, provider=previous.provider), target)
    check_key(facts, settings)
    record, backup = _record_settings(facts, manifest, previous, settings)
    worker = facts.own_worker
    is_outdated = worker is not None and not serves(worker, settings, facts.runtime.runtime_id)
    action = refresh(worker) if worker is not None and is_outdated and restart else WorkerAction.KEEP
    restart_required = is_outdated and not restart
    state = state_of(facts)
    changes = [settings_change(facts, settings), manifest_change(facts, record)]
    if backup is not None:
        changes.insert(0, backup)
    return UpstreamPlan(
        settings=settings,
        previous=previous,
        changes=tuple(changes),
        worker=action,
        restart_required=restart_required,
        prune=prune_backups(facts, backup.path if backup else None),
        from_state=state,
        to_state=State.ENABLED_PENDING if restart_required else state,
    )


def _record_settings(
    facts: Facts, manifest: Manifest, previous: Settings, settings: Settings
) -> tuple[Manifest, FileChange | None]:
    """Return the manifest with the new settings, and the backup with the URL that an uninstall gives back then."""
    record = replace(manifest, settings=settings)
    if settings.upstream_base == previous.upstream_base:
        return record, None
    key, url = url_key(settings.provider), settings.upstream_base
    config = manifest.config
    if config.edits is not None:  # 0.1.0 recorded no keys: its uninstall takes the URL from the settings
        edits = tuple(
            replace(edit, before=url, before_spelling=_in_quotes_of(edit, url)) if edit.path == key else edit
            for edit in config.edits
        )
        config = replace(config, edits=edits)
    if facts.recorded_backup is None:
        return replace(record, config=config), None
    edit = config_toml.edit_for(facts.recorded_backup, key, url)
    edit = replace(edit, after_spelling=_in_quotes_of(edit, url))
    content = config_toml.CONFIG_TOML.apply(facts.recorded_backup, (edit,))
    path = facts.layout.backup(facts.now)
    return (
        replace(record, config=replace(config, hash_before=digest(content)), backup_path=str(path)),
        FileChange(path=path, before=None, after=content, secret=True),
    )


def _in_quotes_of(edit: KeyEdit, url: str) -> str | None:
    """Return the URL in the user's own quotes, so that a change and its reversal leave their bytes, or None."""
    quote = (edit.before_spelling or "")[:1]
    plain = isinstance(edit.before, str) and edit.before_spelling == f"{quote}{edit.before}{quote}"
    return f"{quote}{url}{quote}" if plain and not {"'", '"', "\\"} & set(url) else None
