"""The decision of `uninstall`: the files to give back, the state to remove, the confirmation to require."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from pathlib import Path

from cfp.codex import config_toml, hooks_json
from cfp.codex.text import Unparseable
from cfp.core.facts import Facts
from cfp.core.identities import Identity
from cfp.core.plan.baseline import Baseline, config_edits, derive_baseline
from cfp.core.plan.changes import addresses_change, config_change, hooks_change, manifest_change
from cfp.core.plan.give_back import GivenBack, Level
from cfp.core.plan.install import check_readable
from cfp.core.plan.own_urls import check_own_urls, own_addresses
from cfp.core.plan.repair import check_recorded
from cfp.core.plan.worker import check_in_sight
from cfp.core.provider import is_third_party, url_key
from cfp.core.settings import Settings
from cfp.core.state import State, state_of, uses_proxy
from cfp.core.unrecorded import own_urls
from cfp.core.wire.identity import codex_identity
from cfp.errors import Refused
from journal.values import ABSENT, FileChange, KeyEdit, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallRequest:
    defer_stop: bool = False
    force: bool = False
    keep_state: bool = False


class ConfigRestore(enum.StrEnum):
    """The result for config.toml; a closed set of the results."""

    RESTORED = "restored"
    RESTORED_BASE_URL = "restored_base_url"
    ALREADY_RESTORED = "already_restored"
    ALREADY_RESTORED_BASE_URL = "already_restored_base_url"
    SKIPPED_CONFIG_CHANGED = "skipped_config_changed"
    NO_MANIFEST = "no_manifest"
    NOT_ATTEMPTED = "not_attempted"


class HookRemoval(enum.StrEnum):
    """The result for hooks.json; a closed set of the results."""

    UPDATED = "updated"
    REMOVED_FILE = "removed_file"
    MISSING = "missing"
    UNCHANGED = "unchanged"
    TOMBSTONE_LEFT = "tombstone_left"


class Retirement(enum.StrEnum):
    """The end of worker and state, once the files are given back."""

    NOW = "now"  # worker stopped, state removed
    DEFERRED = "deferred"  # both wait for the second run
    NEVER = "never"  # config still needs them


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallPlan:
    """The whole effect of an uninstall.

    changes      empty where the files are given back already
    conflicts    own keys that others changed, left as they are
    exposed      the login of Codex that a third party would then receive, None where it receives none
    """

    settings: Settings | None
    changes: tuple[FileChange, ...]
    config_restore: ConfigRestore
    hook_removal: HookRemoval
    conflicts: tuple[KeyPath, ...]
    retirement: Retirement
    remove: tuple[Path, ...]
    keep_state: bool
    exposed: Identity | None
    backup_path: str | None
    from_state: State


def plan_uninstall(facts: Facts, request: UninstallRequest) -> UninstallPlan:
    """Decide an uninstall.

    Raises Refused where a file cannot be edited safely, and ConfigDrift(proxy_unrecorded) where it would end the
    proxy that config.toml points at, and the provider's URL is recorded nowhere.
    """
    if not request.force:
        check_readable(facts, leaving=True)
        check_recorded(facts)
    settings = facts.recorded_settings
    if _restores_backup(facts, request):
        return _plan(facts, request, settings, _backup_baseline(facts))
    check_readable(
        replace(facts, unreadable=(), newer_version=""), leaving=True
    )  # with --force, an unreadable record is a lost one
    baseline = derive_baseline(facts)
    if baseline.conflicts and request.force:
        baseline = _overrule_conflicts(facts, baseline)
    return _plan(facts, request, settings, baseline)


def _plan(facts: Facts, request: UninstallRequest, settings: Settings | None, baseline: Baseline) -> UninstallPlan:
    if facts.manifest is not None or not request.force:
        check_own_urls(facts, baseline.config.content)
    repointed = settings is not None and url_key(settings.provider) in baseline.config.conflicts
    changes = _changes(facts, request, baseline, repointed=repointed)
    retirement = Retirement.DEFERRED if request.defer_stop else Retirement.NOW
    if retirement is Retirement.NOW and not repointed:
        check_in_sight(facts.running_worker)
    return UninstallPlan(
        settings=settings,
        changes=changes,
        config_restore=_config_restore(facts, baseline, repointed=repointed),
        hook_removal=_hook_removal(facts, baseline.hooks),
        conflicts=baseline.conflicts,
        retirement=Retirement.NEVER if repointed else retirement,
        remove=_state_files(facts, keep_state=request.keep_state),
        keep_state=request.keep_state,
        exposed=_exposed_identity(facts, settings, baseline),
        backup_path=facts.manifest.backup_path if facts.manifest else None,
        from_state=state_of(facts),
    )


def _exposed_identity(facts: Facts, settings: Settings | None, baseline: Baseline) -> Identity | None:
    """Return the login that Codex would send to a third party once the URL is given back; None for no login."""
    if settings is None or not is_third_party(settings.provider, settings.upstream_base) or not uses_proxy(facts):
        return None
    try:
        restored = config_toml.parse(baseline.config.content)
    except Unparseable:
        return Identity.UNKNOWN
    direct = codex_identity(facts, settings.provider, restored)
    return direct if direct.may_be_a_login else None


def _restores_backup(facts: Facts, request: UninstallRequest) -> bool:
    """Whether --force restores the user's backup over a config.toml that does not parse."""
    return request.force and facts.config.doc is None and facts.config.data is not None


def _backup_baseline(facts: Facts) -> Baseline:
    if facts.recorded_backup is None:
        raise Refused("config_unparseable", path=str(facts.layout.config), reason=facts.config.error)
    hooks = facts.hooks if facts.hooks.doc is not None else replace(facts.hooks, data=None, doc=None)
    readable = replace(facts, config=replace(facts.config, data=facts.recorded_backup, doc={}), hooks=hooks)
    back = GivenBack(content=facts.recorded_backup, level=Level.BYTES)
    return Baseline(config=back, hooks=derive_baseline(readable).hooks, recorded=True)


def _overrule_conflicts(facts: Facts, baseline: Baseline) -> Baseline:
    """Return the baseline of --force: the present values count as ours, so that our keys go back whoever set them."""
    manifest = facts.manifest
    if manifest is None:
        return baseline
    doc = facts.config.root
    edits = tuple(
        KeyEdit(
            path=edit.path,
            before=edit.before,
            after=config_toml.lookup(doc, edit.path) if edit.path in baseline.config.conflicts else edit.after,
            before_spelling=edit.before_spelling,
        )
        for edit in config_edits(facts, manifest)
    )
    forced = replace(facts, manifest=replace(manifest, config=replace(manifest.config, edits=edits)))
    return derive_baseline(forced)


def _changes(
    facts: Facts, request: UninstallRequest, baseline: Baseline, *, repointed: bool
) -> tuple[FileChange, ...]:
    """Return the changes, config.toml first: after it Codex needs nothing of ours."""
    layout, manifest = facts.layout, facts.manifest
    rows = []
    if request.force and baseline.config.content != facts.config.data and facts.config.data is not None:
        # The values of others that --force overrules are kept; a URL of ours has no place in a backup.
        has_ours = any(True for _ in own_urls(facts, facts.config.root))
        present = derive_baseline(facts).config.content if has_ours else facts.config.data
        rows.append(FileChange(path=layout.backup(facts.now), before=None, after=present, secret=True))
    keys = [edit.path for edit in config_edits(facts, manifest)] if manifest else []
    edits = config_toml.edits_between(facts.config.data, baseline.config.content, keys) if facts.config.doc else ()
    groups = (hooks_json.edit_for(facts.hooks.data, ABSENT),) if facts.hooks.doc is not None else ()
    candidates = (
        config_change(facts, baseline.config.content, edits),
        hooks_change(facts, baseline.hooks.content, groups),
    )
    rows += [change for change in candidates if change.before != change.after]
    if facts.newer_version:  # that version can give the rest back by it
        aside = layout.record_of_newer(facts.now)
        rows.append(FileChange(path=aside, before=None, after=facts.manifest_data, secret=True))
    rows += addresses_change(facts, own_addresses(facts))
    if manifest is not None and facts.is_installed and not repointed:
        rows.append(manifest_change(facts, manifest.restored()))
    return tuple(rows)


def _config_restore(facts: Facts, baseline: Baseline, *, repointed: bool) -> ConfigRestore:
    if repointed:
        return ConfigRestore.SKIPPED_CONFIG_CHANGED
    if facts.manifest is None and baseline.config.level is Level.ALREADY:
        return ConfigRestore.NO_MANIFEST
    return {
        Level.ALREADY: ConfigRestore.ALREADY_RESTORED,
        Level.BYTES: ConfigRestore.RESTORED,
        Level.KEYS: ConfigRestore.RESTORED_BASE_URL,
        Level.ALREADY_KEYS: ConfigRestore.ALREADY_RESTORED_BASE_URL,
    }[baseline.config.level]


def _hook_removal(facts: Facts, hooks: GivenBack) -> HookRemoval:
    if facts.hooks.data is None:
        return HookRemoval.MISSING
    if hooks.content == facts.hooks.data:
        return HookRemoval.UNCHANGED
    if hooks.content is None:
        return HookRemoval.REMOVED_FILE
    left = hooks_json.TOMBSTONE_LEFT in hooks.notes
    return HookRemoval.TOMBSTONE_LEFT if left else HookRemoval.UPDATED


def _state_files(facts: Facts, *, keep_state: bool) -> tuple[Path, ...]:
    """Return the paths to remove, the manifest late: while it is there, a second run can finish this one."""
    layout = facts.layout
    if keep_state:
        return (layout.worker, layout.manifest)
    return (layout.worker, layout.settings, layout.upstreams, layout.provider_auth, layout.manifest, layout.state)
