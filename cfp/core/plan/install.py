"""The decision of `install`: the bytes of every file, and the worker to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfp.codex import config_toml, hook_trust, hooks_feature, hooks_json
from cfp.core.facts import Facts
from cfp.core.manifest import FileRecord, FormerAddress, Manifest, ManifestState, digest
from cfp.core.ownership import check_ownership
from cfp.core.plan.baseline import Baseline, config_edits, derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key, route_changed
from cfp.core.plan.changes import (
    addresses_change,
    config_change,
    hooks_change,
    manifest_change,
    settings_change,
)
from cfp.core.plan.give_back import GivenBack, Level
from cfp.core.plan.hook import HookPlan, current_edits, plan_hook
from cfp.core.plan.model_catalog import catalog_key, catalogue_warnings, own_catalog
from cfp.core.plan.own_urls import check_own_urls, own_addresses
from cfp.core.plan.repair import check_recorded, plan_repair
from cfp.core.plan.worker import WorkerAction, worker_action
from cfp.core.provider import Target, choose_provider, selector_key
from cfp.core.route_report import RouteWarning, route_warnings
from cfp.core.settings import Settings, loopback_port, upstream_url, validate
from cfp.core.state import State, state_of, uses_proxy
from cfp.core.unrecorded import find_unrecorded_proxy
from cfp.core.verdict.loading import check_loading
from cfp.core.verdict.route import check_override
from cfp.core.wire.codex_key import codex_keys, kept_variable, with_keys
from cfp.errors import Refused, UsageError
from journal.values import ABSENT, FileChange, KeyEdit, KeyPath, Unmergeable

BACKUPS_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """The whole effect of an install.

    facts          the home as Codex reads it afterwards, as far as the provider's key is concerned
    changes        in the order of swapping; config.toml last, so that Codex never points at a proxy that is not there
    prune          backups beyond the newest five, removed after the commit
    changed_route  URL, tier, policy or auth differ from the saved ones, or none are saved
    """

    target: Target
    settings: Settings
    facts: Facts
    changes: tuple[FileChange, ...]
    worker: WorkerAction
    hook: HookPlan | None
    backup_path: Path | None
    prune: tuple[Path, ...]
    changed_route: bool
    warnings: tuple[str, ...]
    route_warnings: tuple[RouteWarning, ...]
    from_state: State
    to_state: State


def plan_install(facts: Facts, request: RouteRequest) -> InstallPlan:
    """Decide an install; raises Refused with the code of the first obstacle."""
    check_readable(facts)
    check_loading(facts, activated=request.provider if request.activate_provider else None)
    baseline = _baseline(facts, request)
    doc = facts.as_codex_reads(config_toml.parse(baseline.config.content))
    check_own_urls(facts, baseline.config.content)
    target = choose_provider(doc, request.provider, activate=request.activate_provider)
    if not request.prepare_only:
        check_override(facts, target.provider)
    own_keys = codex_keys(doc, target.provider, _variable_of_codex(facts, request, doc, target))
    is_ours = bool(own_keys) or kept_variable(facts, doc, target.provider) is not None
    planned = with_keys(facts, target.provider, own_keys, doc) if is_ours else facts
    settings = candidate_settings(facts, request, target)
    if request.port is None and facts.candidate is not None:  # where it leaves a port that it shares
        settings = validate(replace(settings, port=facts.candidate.port))
    check_key(facts, settings)
    catalog = own_catalog(doc, settings)
    from_state = state_of(facts)
    action = WorkerAction.NONE if request.prepare_only else worker_action(facts, settings, facts.candidate)
    changed_route = route_changed(facts, settings, doc) or planned.config.root != facts.config.root
    if request.prepare_only:
        if request.codex_key_env is not None:
            raise UsageError(
                "usage", reason="--codex-key-env changes config.toml, and --prepare-only leaves it as it is"
            )
        if uses_proxy(facts) and settings != facts.settings:
            raise Refused("already_enabled")
        return InstallPlan(
            target=target,
            settings=settings,
            facts=facts,
            changes=(settings_change(facts, settings),),
            worker=action,
            hook=None,
            backup_path=None,
            prune=(),
            changed_route=changed_route,
            warnings=(),
            route_warnings=route_warnings(facts, settings),
            from_state=from_state,
            to_state=State.PREPARED,
        )
    draft = _draft(facts, baseline, doc, target, settings, own_keys, catalog)
    new_backup = None if draft.backup is None or _is_recorded(facts, draft.backup) else draft.backup
    return InstallPlan(
        target=target,
        settings=settings,
        facts=planned,
        changes=_changes(draft),
        worker=action,
        hook=draft.hook,
        backup_path=draft.backup,
        prune=prune_backups(facts, new_backup),
        changed_route=changed_route,
        warnings=_warnings(doc, target, opted_out=facts.opted_out),
        route_warnings=(*route_warnings(planned, settings), *catalogue_warnings(facts, doc, settings)),
        from_state=from_state,
        to_state=State.ENABLED,
    )


def _variable_of_codex(facts: Facts, request: RouteRequest, doc: Mapping[str, Any], target: Target) -> str | None:
    """Return the variable whose key Codex is to send itself; a flag for another key takes ours away."""
    others = (request.upstream_api_key_env, request.use_provider_auth_file, request.clear_upstream_auth)
    if request.codex_key_env is not None or any(others):
        return request.codex_key_env or None
    return kept_variable(facts, doc, target.provider)


def _baseline(facts: Facts, request: RouteRequest) -> Baseline:
    """Return the baseline; raises ConfigDrift(proxy_unrecorded) where the provider's URL is recorded nowhere.

    --upstream-base is then the URL of the provider that points at the proxy.
    """
    proxy, url = find_unrecorded_proxy(facts), request.upstream_base
    is_meant = proxy is not None and request.provider in {None, proxy.provider}
    repair = plan_repair(facts, upstream_url(url) if url is not None and is_meant else None)
    if repair is None:
        check_recorded(facts)
        return derive_baseline(facts)
    return replace(derive_baseline(facts), config=GivenBack(content=repair.config, level=Level.KEYS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """The after-images of the shared files, and their sources."""

    facts: Facts
    baseline: Baseline
    target: Target
    settings: Settings
    hook: HookPlan
    hooks_after: bytes
    config_edits: tuple[KeyEdit, ...]
    config_after: bytes
    backup: Path | None


def _draft(
    facts: Facts,
    baseline: Baseline,
    doc: Mapping[str, Any],
    target: Target,
    settings: Settings,
    own_keys: tuple[tuple[KeyPath, Any], ...],
    catalog: str | None,
) -> _Draft:
    hooks_after, hook = plan_hook(facts, baseline)
    content = baseline.config.content
    keys = [*_own_keys(facts, doc, target, settings, hook), *own_keys]
    if catalog is not None:
        keys.append((catalog_key(target.provider), catalog))
    edits = tuple(config_toml.edit_for(content, path, value) for path, value in keys)
    return _Draft(
        facts=facts,
        baseline=baseline,
        target=target,
        settings=settings,
        hook=hook,
        hooks_after=hooks_after,
        config_edits=edits,
        config_after=_apply_config(content, edits),
        backup=_backup_path(facts, content),
    )


def _is_utf8(path: str) -> bool:
    """Whether UTF-8 can encode the path, which is part of the hook's command and of the key of its trust."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def newer_details(facts: Facts) -> dict[str, str]:
    """Return the values of the sentence about a record of a newer version."""
    return {"path": str(facts.layout.manifest), "version": facts.newer_version, "own": facts.runtime.version}


def check_readable(facts: Facts, *, leaving: bool = False) -> None:
    """Refuse a home whose files cannot be edited safely; raises Refused.

    leaving  an uninstall does without our own files, which it removes: the backups stand in for them
    """
    check_ownership(facts.ownership)
    if facts.newer_version:
        raise Refused("record_of_newer_version", **newer_details(facts))
    for record, reason in facts.all_unreadable:  # it may be readable later, so it is not lost
        raise Refused("record_unreadable", path=record, reason=reason)
    if not facts.home_exists:
        raise Refused("codex_home_missing", path=str(facts.layout.home))
    if not _is_utf8(str(facts.layout.home)):
        raise Refused("codex_home_not_text", path=str(facts.layout.home))
    if facts.config.is_unparseable:
        raise Refused("config_unparseable", path=str(facts.layout.config), reason=facts.config.error)
    if facts.hooks.is_unparseable:
        raise Refused("hooks_unparseable", path=str(facts.layout.hooks), reason=facts.hooks.error)
    if facts.manifest_error and not leaving:
        raise Refused("manifest_invalid", path=str(facts.layout.manifest), reason=facts.manifest_error)
    if facts.settings_error and facts.manifest is None and not leaving:
        raise Refused("settings_invalid", path=str(facts.layout.settings), reason=facts.settings_error)


def _own_keys(
    facts: Facts, doc: Mapping[str, Any], target: Target, settings: Settings, hook: HookPlan
) -> list[tuple[KeyPath, Any]]:
    """Return our keys in config.toml with their values; a key that has its value already is the user's."""
    keys: list[tuple[KeyPath, Any]] = [(target.url_key, settings.base_url)]
    if target.activate:
        keys.append((selector_key(doc), target.provider))
    if config_toml.lookup(doc, hooks_feature.FLAG) is not True:
        keys.append((hooks_feature.FLAG, True))
    version = facts.codex_version or facts.version_in_home
    old_codex = version is not None and version < hooks_feature.RENAMED_IN
    if old_codex and config_toml.lookup(doc, hooks_feature.OLD_FLAG) is not True:
        keys.append((hooks_feature.OLD_FLAG, True))
    trust_path = hook_trust.state_path(hook.key, "trusted_hash")
    if config_toml.lookup(doc, trust_path) != hook.trusted_hash:
        keys.append((trust_path, hook.trusted_hash))
    return keys


def _apply_config(content: bytes | None, edits: tuple[KeyEdit, ...]) -> bytes:
    try:
        return config_toml.CONFIG_TOML.apply(content, edits)
    except Unmergeable as error:
        raise Refused("file_not_editable", reason=str(error)) from error


def _backup_path(facts: Facts, content: bytes | None) -> Path | None:
    """Return the path of the user's config.toml: the recorded backup where it has these bytes, else a new one."""
    if content is None:
        return None
    if facts.manifest is not None and facts.manifest.backup_path and facts.backup == content:
        return Path(facts.manifest.backup_path)
    return facts.layout.backup(facts.now)


def _is_recorded(facts: Facts, backup: Path) -> bool:
    return facts.manifest is not None and facts.manifest.backup_path == str(backup)


def prune_backups(facts: Facts, added: Path | None) -> tuple[Path, ...]:
    """Return the backups to remove once `added` is there: all but the newest five."""
    if added is None:
        return ()
    return tuple(facts.layout.backups / name for name in facts.backups[: -(BACKUPS_KEPT - 1)])


def _manifest(draft: _Draft) -> Manifest:
    facts, baseline = draft.facts, draft.baseline
    group = hooks_json.edit_for(draft.hooks_after, ABSENT)
    return Manifest(
        version=facts.runtime.version,
        state=ManifestState.INSTALLED,
        installed_at=facts.manifest.installed_at if facts.manifest and facts.is_installed else facts.now.isoformat(),
        config_path=str(facts.layout.config),
        backup_path=str(draft.backup) if draft.backup else None,
        hooks_path=str(facts.layout.hooks),
        hooks_before=baseline.hooks.content,
        config=FileRecord(
            hash_before=digest(baseline.config.content),
            hash_after=digest(draft.config_after),
            edits=draft.config_edits,
        ),
        hooks=FileRecord(
            hash_before=digest(baseline.hooks.content),
            hash_after=digest(draft.hooks_after),
            edits=(KeyEdit(path=group.path, before=ABSENT, after=group.before),),
        ),
        settings=draft.settings,
    )


def _changes(draft: _Draft) -> tuple[FileChange, ...]:
    facts = draft.facts
    manifest = _manifest(draft)
    rows = [settings_change(facts, draft.settings), *_addresses(draft)]
    if draft.backup is not None and not _is_recorded(facts, draft.backup):
        rows.append(FileChange(path=draft.backup, before=None, after=draft.baseline.config.content, secret=True))
    # The keys of an earlier install that go or move are merged too: others may write while this is under way.
    former = config_edits(facts, facts.manifest) if facts.manifest else ()
    keys = [edit.path for edit in (*draft.config_edits, *former)]
    edits = config_toml.edits_between(facts.config.data, draft.config_after, keys)
    rows += [
        manifest_change(facts, manifest),
        hooks_change(facts, draft.hooks_after, current_edits(manifest.hooks.edits or (), facts.hooks)),
        config_change(facts, draft.config_after, edits),
    ]
    return tuple(rows)


def _addresses(draft: _Draft) -> tuple[FileChange, ...]:
    """Return the change that records the new address and the former one.

    A former address that is the provider's now is none of ours any more: the user said so with --upstream-base.
    """
    before = draft.target.url
    settings = draft.settings
    present = FormerAddress(url=settings.base_url, provider=settings.provider, before=before)
    given_up = loopback_port(settings.upstream_base)
    return addresses_change(draft.facts, (*own_addresses(draft.facts), present), without=given_up)


def _warnings(doc: Mapping[str, Any], target: Target, *, opted_out: bool) -> tuple[str, ...]:
    codes = []
    if any(value is False for value in hooks_feature.hook_flags(doc).values()):
        codes.append("hooks_opt_out_overridden")
    if opted_out:
        codes.append("service_tier_opt_out_kept")
    if target.activate:
        codes.append("history_is_filed_by_provider")
    elif not target.active:
        codes.append("provider_not_active")
    return tuple(codes)
