"""A config that points at a proxy nobody recorded: what an older version, or a lost state folder, leaves behind.

`recover` gives such a home back from what there is: the newest backup whose URL is another one, else the saved
settings. Only our own keys go back; everything else of the file is newer than the backup.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from cfp.codex import config_toml, hook_trust
from cfp.codex.hooks_feature import FLAGS
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.core.facts import Facts
from cfp.core.plan.baseline import baseline, config_edits, recognised_hooks
from cfp.core.plan.changes import config_change, manifest_change
from cfp.core.provider import provider_url, url_key
from cfp.core.unrecorded import OUR_URL, unrecorded
from cfp.errors import ConfigDrift
from journal.values import ABSENT, FileChange, KeyEdit, Merged, Unmergeable


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """`source` names where the URL came from: the backup's path, the settings, or the command line.

    config     config.toml with it, and without what else is ours
    """

    provider: str
    url: str
    source: str
    config: bytes | None
    changes: tuple[FileChange, ...]


def plan_repair(facts: Facts, asked: str | None = None) -> Repair | None:
    """Return what mends the home; None where nothing is broken, or nothing tells the right URL.

    asked  the provider's URL as the user tells it, for where nothing else does
    """
    broken = unrecorded(facts)
    if broken is None or facts.unreadable:  # what cannot be read now is not lost
        return None
    provider, now = broken
    found = _url_before(facts, provider, now, asked)
    if found is None:
        return None
    url, source, edits = found
    config = config_toml.CONFIG_TOML.restore(facts.config.data or b"", None, edits)
    changes = _changes(facts, config, edits)
    return Repair(provider=provider, url=url, source=source, config=config.content, changes=changes)


def plan_recovery(facts: Facts) -> Repair | None:
    """Return what `recover` mends: a lost record as above, and lost settings, without which no proxy can start."""
    manifest, doc = facts.manifest, facts.config.doc
    if manifest is None:
        return plan_repair(facts)
    recorded = manifest.settings
    installed = facts.is_installed and doc is not None and not facts.unreadable
    if facts.settings is not None or not installed or provider_url(doc or {}, recorded.provider) != recorded.base_url:
        return None
    if facts.hooks.data is not None and facts.hooks.doc is None:  # its owner mends it first
        return None
    base = baseline(facts)
    url = provider_url(config_toml.parse(base.config.content), recorded.provider) or "Codex's own default"
    layout = facts.layout
    keys = [edit.path for edit in config_edits(facts, manifest)]
    edits = config_toml.edits_between(facts.config.data, base.config.content, keys)
    rows = [config_change(facts, base.config.content, edits)]
    if base.hooks.content != facts.hooks.data:
        rows.append(FileChange(path=layout.hooks, before=facts.hooks.data, after=base.hooks.content, secret=True))
    rows.append(manifest_change(facts, manifest.restored()))
    source = manifest.backup_path if facts.backup is not None else str(layout.manifest)
    return Repair(
        provider=recorded.provider, url=url, source=source or "", config=base.config.content, changes=tuple(rows)
    )


def lost(facts: Facts) -> tuple[str, str] | None:
    """The provider that points at a proxy of ours and its URL, where nothing tells where it pointed before."""
    broken = None if facts.unreadable else unrecorded(facts)  # what cannot be read now is not lost
    return broken if broken is not None and plan_repair(facts) is None else None


def check_recorded(facts: Facts) -> None:
    """Raise ConfigDrift(proxy_unrecorded) where `lost`: what config.toml says is then the user's to mend."""
    broken = lost(facts)
    if broken is not None:
        raise ConfigDrift("proxy_unrecorded", provider=broken[0], url=broken[1], key=".".join(url_key(broken[0])))


def _url_before(
    facts: Facts, provider: str, now: str, asked: str | None
) -> tuple[str, str, tuple[KeyEdit, ...]] | None:
    key = url_key(provider)
    trust = tuple(
        KeyEdit(path=hook_trust.state_path(entry.key, leaf), before=ABSENT, after=value)
        for entry in facts.hook_entries
        for leaf in ("trusted_hash", "enabled")
        if (value := config_toml.lookup(facts.config.root, hook_trust.state_path(entry.key, leaf))) is not ABSENT
    )
    # A provider on this machine has a URL like ours, and older versions backed up their own: such a one counts last.
    saved = facts.settings.upstream_base if facts.settings else None
    for loopback, (path, data) in product((False, True), facts.kept_backups):
        try:
            before = config_toml.parse(data)
        except Unmergeable:
            continue
        url = provider_url(before, provider)
        if url is None or url == now or bool(OUR_URL.match(url)) is not loopback:
            continue
        if loopback and saved not in {None, url}:
            continue
        spelt = KeyEdit(path=key, before=url, after=now, before_spelling=config_toml.spelling(data, key))
        flags = tuple(
            KeyEdit(path=flag, before=config_toml.lookup(before, flag), after=True)
            for flag in FLAGS
            if config_toml.lookup(facts.config.root, flag) is True and config_toml.lookup(before, flag) is not True
        )
        return url, path, (spelt, *flags, *trust)
    if facts.settings is not None:
        url, source = facts.settings.upstream_base, "settings.json"
    elif asked is not None:
        url, source = asked, "--upstream-base"
    else:
        return None
    return url, source, (KeyEdit(path=key, before=url, after=now), *trust)


def _changes(facts: Facts, config: Merged, edits: tuple[KeyEdit, ...]) -> tuple[FileChange, ...]:
    keys = [edit.path for edit in edits]
    rows = [config_change(facts, config.content, config_toml.edits_between(facts.config.data, config.content, keys))]
    groups = recognised_hooks(facts.hooks)
    if groups and facts.hooks.data is not None:
        hooks = HOOKS_JSON.restore(facts.hooks.data, None, groups)
        rows.append(FileChange(path=facts.layout.hooks, before=facts.hooks.data, after=hooks.content, secret=True))
    return tuple(rows)
