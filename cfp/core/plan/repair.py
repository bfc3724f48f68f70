"""The repair of a config.toml that points at a proxy without a record: an older version or a lost state folder.

`recover` restores the URL of a usable backup, which is one that has another URL for the provider than one of ours,
else that of the saved settings. Only our own keys go back; everything else of the file is newer than the backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cfp.codex import config_toml, hooks_json
from cfp.codex.hook_trust import hook_exists, trusted_hash
from cfp.codex.hooks_feature import FLAGS
from cfp.core.facts import Facts
from cfp.core.manifest import FormerAddress
from cfp.core.plan.baseline import config_edits, derive_baseline, recognised_hooks, trust_edits
from cfp.core.plan.changes import addresses_change, config_change, hooks_change, manifest_change
from cfp.core.plan.hook import HOOK_TIMEOUT_S, hook_command
from cfp.core.plan.model_catalog import own_catalog_edits
from cfp.core.plan.own_urls import UrlSource, find_provider_url, with_own_urls
from cfp.core.provider import provider_url, url_key, without_secrets
from cfp.core.unrecorded import UnrecordedProxy, find_unrecorded_proxy
from cfp.errors import ConfigDrift, Refused
from journal.values import ABSENT, Absent, FileChange, KeyEdit, Merged

DEFAULT_URL: Final = "Codex's own default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The restored home.

    url      the provider's own
    source   of the URL: the backup's path, the settings, or the command line
    config   config.toml with that URL, and without our other keys
    """

    provider: str
    url: str
    source: str
    config: bytes | None
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A URL of the provider, the place that it was read from, and the edits of config.toml that restore it."""

    url: str
    name: str
    edits: tuple[KeyEdit, ...]


def plan_repair(facts: Facts, requested_url: str | None = None) -> Repair | None:
    """Return the repair of an unrecorded proxy; None where there is none, or the provider's URL is unknown.

    requested_url  the provider's URL on the command line, for a home that records it nowhere
    """
    proxy = find_unrecorded_proxy(facts)
    if proxy is None or _what_is_unread(facts):  # a record that cannot be read now is not lost
        return None
    source = _edits_of(facts, proxy, requested_url)
    if source is None:
        return None
    config = config_toml.CONFIG_TOML.restore(facts.config.data or b"", None, source.edits)
    return Repair(
        provider=proxy.provider,
        url=source.url,
        source=source.name,
        config=config.content,
        changes=(*_changes(facts, config, source.edits), *_address(facts, proxy, source.edits)),
    )


def plan_recovery(facts: Facts) -> Repair | None:
    """Return the repair that `recover` makes: of an unrecorded proxy, or of a home whose settings are lost.

    Without settings no proxy can start, so the manifest's files go back.
    """
    manifest = facts.manifest
    if manifest is None:
        return plan_repair(facts)
    recorded = manifest.settings
    if facts.settings is not None or facts.unreadable or facts.config.doc is None or not facts.is_installed:
        return None
    if provider_url(facts.config.doc, recorded.provider) != recorded.base_url:
        return None
    if facts.hooks.data is not None and facts.hooks.doc is None:  # the user has to repair hooks.json first
        return None
    baseline = derive_baseline(facts)
    config, hooks = baseline.config.content, baseline.hooks.content
    keys = [edit.path for edit in config_edits(facts, manifest)]
    changes = [config_change(facts, config, config_toml.edits_between(facts.config.data, config, keys))]
    if hooks != facts.hooks.data:
        changes.append(hooks_change(facts, hooks, (hooks_json.edit_for(facts.hooks.data, ABSENT),)))
    changes.append(manifest_change(facts, manifest.restored()))
    source = manifest.backup_path if facts.backup is not None else str(facts.layout.manifest)
    return Repair(
        provider=recorded.provider,
        url=provider_url(config_toml.parse(config), recorded.provider) or DEFAULT_URL,
        source=source or "",
        config=config,
        changes=tuple(changes),
    )


def unrepairable(facts: Facts) -> UnrecordedProxy | None:
    """Return the unrecorded proxy whose provider's URL is unknown; None where there is none."""
    proxy = None if _what_is_unread(facts) else find_unrecorded_proxy(facts)
    return proxy if proxy is not None and plan_repair(facts) is None else None


def _what_is_unread(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return what a repair rests on and nobody can read now, with the reasons: hooks.json may have our hook."""
    hooks = facts.hooks
    unread = ((str(facts.layout.hooks), hooks.error),) if hooks.data is None and hooks.error else ()
    return (*facts.unreadable, *unread)


def check_readable_for_repair(facts: Facts) -> None:
    """Raise Refused(record_unreadable) where a repair would leave, or mistake, what cannot be read now."""
    if facts.newer_version or find_unrecorded_proxy(facts) is None:  # a newer version's record is no lost one
        return
    for path, reason in _what_is_unread(facts):
        raise Refused("record_unreadable", path=path, reason=reason)


def check_recorded(facts: Facts) -> None:
    """Raise ConfigDrift(proxy_unrecorded) for an unrepairable proxy: the user has to set the provider's URL."""
    proxy = unrepairable(facts)
    if proxy is not None:
        key = ".".join(url_key(proxy.provider))
        raise ConfigDrift("proxy_unrecorded", provider=proxy.provider, url=without_secrets(proxy.url), key=key)


def _edits_of(facts: Facts, proxy: UnrecordedProxy, requested_url: str | None) -> _Source | None:
    """Return the provider's URL and the edits that restore it, with the URLs of ours that other providers have."""
    source = find_provider_url(facts, proxy.provider, proxy.url)
    if source is None and requested_url is not None:
        source = UrlSource(url=requested_url, name="--upstream-base")
    if source is None:
        return None
    path = url_key(proxy.provider)
    url_edit = KeyEdit(path=path, before=source.url, after=proxy.url, before_spelling=source.spelling)
    catalogs = _catalog_edits(facts, proxy, source)
    own = {path, *(edit.path for edit in catalogs)}
    others = tuple(edit for edit in with_own_urls(facts, ()) if edit.path not in own)
    flags = tuple(
        KeyEdit(path=flag, before=config_toml.lookup(source.backup, flag), after=True)
        for flag in FLAGS
        if source.backup is not None
        and config_toml.lookup(facts.config.root, flag) is True
        and config_toml.lookup(source.backup, flag) is not True
    )
    url = DEFAULT_URL if isinstance(source.url, Absent) else source.url
    trust = (*trust_edits(facts), *trust_edits(facts, _keys_of_removed_hook(facts)))
    return _Source(url=url, name=source.name, edits=(url_edit, *others, *catalogs, *flags, *trust))


def _keys_of_removed_hook(facts: Facts) -> list[str]:
    """Return the trust keys of config.toml with the hash of our hook, for places where hooks.json has no hook.

    An older config.toml brings them back after an uninstall, which has removed the hook.
    """
    states = config_toml.lookup(facts.config.root, ("hooks", "state"))
    if facts.hooks.error or not isinstance(states, Mapping):
        return []
    own = trusted_hash({"command": hook_command(facts), "timeout": HOOK_TIMEOUT_S}, None)
    path = str(facts.layout.hooks)
    return [
        key
        for key, entry in states.items()
        if isinstance(entry, Mapping)
        and (key.startswith(f"{path}:"), entry.get("trusted_hash")) == (True, own)
        and not hook_exists(facts.hooks.root, key, path)
    ]


def _catalog_edits(facts: Facts, proxy: UnrecordedProxy, source: UrlSource) -> tuple[KeyEdit, ...]:
    """Return the edits that restore the catalogues of the proxy: the backup's value, else the one that ours names."""
    if isinstance(source.url, Absent):
        return ()
    edits = own_catalog_edits(facts.config.root, proxy=proxy.url, upstream=source.url)
    values = [config_toml.lookup(source.backup or {}, edit.path) for edit in edits]
    return tuple(
        replace(edit, before=value, before_spelling=source.spelling_of(edit.path))
        if isinstance(value, str) and value != edit.after
        else edit
        for edit, value in zip(edits, values, strict=True)
    )


def _address(facts: Facts, proxy: UnrecordedProxy, edits: tuple[KeyEdit, ...]) -> tuple[FileChange, ...]:
    """Return the change that records the proxy's address, where it is known for certain to be ours."""
    before = edits[0].before
    url = before if isinstance(before, str) else None
    former = FormerAddress(url=proxy.url, provider=proxy.provider, before=url)
    return addresses_change(facts, (former,)) if proxy.certain else ()


def _changes(facts: Facts, config: Merged, edits: tuple[KeyEdit, ...]) -> tuple[FileChange, ...]:
    keys = [edit.path for edit in edits]
    rows = [config_change(facts, config.content, config_toml.edits_between(facts.config.data, config.content, keys))]
    groups = recognised_hooks(facts.hooks)
    if groups and facts.hooks.data is not None:
        hooks = hooks_json.HOOKS_JSON.restore(facts.hooks.data, None, groups)
        rows.append(hooks_change(facts, hooks.content, (hooks_json.edit_for(facts.hooks.data, ABSENT),)))
    return tuple(rows)
