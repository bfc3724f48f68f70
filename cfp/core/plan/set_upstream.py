"""The decision of `set-upstream`: another URL, key or policy, and the URL that an uninstall gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.manifest import FileRecord, Manifest, digest
from cfp.core.plan.baseline import config_edits, derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key
from cfp.core.plan.changes import config_change, manifest_change, settings_change
from cfp.core.plan.install import check_readable, prune_backups
from cfp.core.plan.model_catalog import catalog_key, catalog_url, moved_catalog, own_catalog
from cfp.core.plan.worker import WorkerAction, refresh, serves
from cfp.core.provider import choose_provider, url_key
from cfp.core.settings import Settings
from cfp.core.state import State, state_of, uses_proxy
from cfp.errors import ConfigDrift, Refused, UsageError
from journal.values import ABSENT, FileChange, KeyEdit, KeyPath, Unmergeable


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
    target = choose_provider(
        facts.as_codex_reads(config_toml.parse(derive_baseline(facts).config.content)), previous.provider
    )
    settings = candidate_settings(facts, replace(request, provider=previous.provider), target)
    if request.upstream_base is None and settings.upstream_base != previous.upstream_base:
        raise ConfigDrift("provider_repointed", provider=previous.provider)  # an older config.toml is back
    check_key(facts, settings)
    try:
        catalog = _plan_catalog(facts, manifest, target.url or previous.upstream_base, settings)
    except Unmergeable as error:
        raise Refused("file_not_editable", reason=str(error)) from error
    record, backup = _record_settings(facts, catalog, previous, settings)
    worker = facts.own_worker
    is_outdated = worker is not None and not serves(worker, settings, facts.runtime.runtime_id)
    action = refresh(worker) if worker is not None and is_outdated and restart else WorkerAction.KEEP
    restart_required = is_outdated and not restart
    state = state_of(facts)
    changes = [settings_change(facts, settings), manifest_change(facts, record)]
    if backup is not None:
        changes.insert(0, backup)
    if catalog.config is not None:
        changes.append(catalog.config)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _CatalogPlan:
    """The provider's model catalogue with the new settings.

    manifest  with our key for it, or without
    backup    the user's config.toml, which an uninstall gives back; None where it is lost
    config    the change of config.toml where our key comes or goes
    moved     the catalogue at the new provider, which an uninstall gives back; None where it stays the user's own
    """

    manifest: Manifest
    backup: bytes | None
    config: FileChange | None = None
    moved: str | None = None


def _plan_catalog(facts: Facts, manifest: Manifest, base_url: str, settings: Settings) -> _CatalogPlan:
    """Move the catalogue through the proxy, or give it back, as the new settings want; raises Refused.

    A catalogue that is ours belongs to the provider, and follows its URL as `base_url`, which an uninstall gives
    back now, does.
    """
    key, data = catalog_key(settings.provider), facts.config.data
    baseline, backup = derive_baseline(facts).config.content, facts.recorded_backup
    theirs = catalog_url(config_toml.parse(baseline), settings.provider)
    if theirs is None:  # the proxy's own catalogue is at the same address for every provider
        return _CatalogPlan(manifest=manifest, backup=backup)
    is_ours = theirs != config_toml.lookup(facts.config.root, key)
    moved, wanted = None, baseline
    if is_ours:
        moved = moved_catalog(theirs, previous=base_url, upstream=settings.upstream_base)
        wanted = config_toml.CONFIG_TOML.apply(baseline, (KeyEdit(path=key, before=theirs, after=moved),))
    own = own_catalog(config_toml.parse(wanted), settings)
    if is_ours is (own is not None):
        return _CatalogPlan(manifest=manifest, backup=backup, moved=moved)
    known, record = config_edits(facts, manifest), manifest.config
    others = tuple(edit for edit in record.edits or known if edit.path != key)
    if own is None:
        former = tuple(_moved_edit(edit, moved) for edit in known if edit.path == key)
        content = config_toml.CONFIG_TOML.restore(data or b"", backup, former).content
        # Only a file that is still that of the record may pass for it; in another one, others' edits would be lost.
        hash_after = digest(content) if digest(data) == record.hash_after else record.hash_after
        record = replace(record, edits=others, hash_after=hash_after)
    else:  # as an install does: the key may be newer than the backup, which then has to have it
        edit, backup = config_toml.edit_for(data, key, own), baseline
        content = config_toml.CONFIG_TOML.apply(data, (edit,))
        record = FileRecord(hash_before=digest(backup), hash_after=digest(content), edits=(*others, edit))
    return _CatalogPlan(
        manifest=replace(manifest, config=record),
        backup=backup,
        config=config_change(facts, content, config_toml.edits_between(data, content, [key])),
        moved=moved,
    )


def _record_settings(
    facts: Facts, catalog: _CatalogPlan, previous: Settings, settings: Settings
) -> tuple[Manifest, FileChange | None]:
    """Return the manifest with the new settings, and the backup with the URLs that an uninstall gives back then.

    A saved upstream leaves them as they are: Codex would send the provider's key to the other URL. Only the record of
    0.1.0 has no URL but that of the settings.
    """
    record, backup = replace(catalog.manifest, settings=settings), catalog.backup
    stays = settings.upstream is not None and record.config.edits is not None
    if settings.upstream_base != previous.upstream_base and not stays:
        urls = {url_key(settings.provider): settings.upstream_base, catalog_key(settings.provider): catalog.moved}
        if record.config.edits is not None:  # 0.1.0 recorded no keys: its uninstall takes the URL from the settings
            edits = tuple(_moved_edit(edit, urls.get(edit.path)) for edit in record.config.edits)
            record = replace(record, config=replace(record.config, edits=edits))
        if backup is not None:
            backup = config_toml.CONFIG_TOML.apply(backup, _backup_edits(backup, urls))
    if backup is None or backup == facts.recorded_backup:
        return record, None
    path = facts.layout.backup(facts.now)
    return (
        replace(record, config=replace(record.config, hash_before=digest(backup)), backup_path=str(path)),
        FileChange(path=path, before=None, after=backup, secret=True),
    )


def _backup_edits(backup: bytes, urls: Mapping[KeyPath, str | None]) -> list[KeyEdit]:
    """Return the edits of the backup; a catalogue that the user added since the install is not in it."""
    edits = [config_toml.edit_for(backup, key, url) for key, url in urls.items() if url is not None]
    edits = [edit for edit in edits if edit.path[-1] != "model_catalog_url" or edit.before is not ABSENT]
    return [replace(edit, after_spelling=_in_quotes_of(edit, str(edit.after))) for edit in edits]


def _moved_edit(edit: KeyEdit, url: str | None) -> KeyEdit:
    """Return the edit with another URL to give back; None leaves it as it is."""
    if url is None or url == edit.before:
        return edit
    return replace(edit, before=url, before_spelling=_in_quotes_of(edit, url))


def _in_quotes_of(edit: KeyEdit, url: str) -> str | None:
    """Return the URL in the user's own quotes, so that a change and its reversal leave their bytes, or None."""
    quote = (edit.before_spelling or "")[:1]
    plain = isinstance(edit.before, str) and edit.before_spelling == f"{quote}{edit.before}{quote}"
    return f"{quote}{url}{quote}" if plain and not {"'", '"', "\\"} & set(url) else None
