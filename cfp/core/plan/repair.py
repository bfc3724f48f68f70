"""A config that points at a proxy nobody recorded: what an older version, or a lost state folder, leaves behind.

`recover` gives such a home back from what there is: the newest backup whose URL is another one, else the saved
settings. Only our own keys go back; everything else of the file is newer than the backup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from urllib.parse import urlsplit

from cfp.codex import config_toml, hook_trust
from cfp.codex.hooks_json import HOOKS_JSON
from cfp.core.facts import Facts, PortState
from cfp.core.manifest import ManifestState
from cfp.core.plan.baseline import baseline, config_edits, recognised_hooks
from cfp.core.plan.worker import running
from cfp.core.provider import active_provider, provider_url, url_key
from cfp.core.settings import DEFAULT_HOST, DEFAULT_PORT
from cfp.layout import DEFAULT_PROXY_BASE
from journal.values import ABSENT, FileChange, KeyEdit, Merged, Unmergeable

# The only form of URL that any version of ours has written.
_OURS = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d+/\S*\Z")
_FLAGS = (("features", "hooks"), ("features", "codex_hooks"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """`source` names where the URL came from: the backup's path, or the settings."""

    provider: str
    url: str
    source: str
    changes: tuple[FileChange, ...]


def plan_repair(facts: Facts) -> Repair | None:
    """Return what mends the home; None where nothing is broken, or nothing tells the right URL."""
    broken = unrecorded(facts)
    if broken is None or facts.unreadable:  # what cannot be read now is not lost
        return None
    provider, now = broken
    found = _url_before(facts, provider, now)
    if found is None:
        return None
    url, source, edits = found
    config = config_toml.CONFIG_TOML.restore(facts.config.data or b"", None, edits)
    return Repair(provider=provider, url=url, source=source, changes=_changes(facts, config, edits))


def plan_recovery(facts: Facts) -> Repair | None:
    """Return what `recover` mends: a lost record as above, and lost settings, without which no proxy can start."""
    manifest, doc = facts.manifest, facts.config.doc
    if manifest is None:
        return plan_repair(facts)
    recorded = manifest.settings
    installed = manifest.state is ManifestState.INSTALLED and doc is not None and not facts.unreadable
    if facts.settings is not None or not installed or provider_url(doc or {}, recorded.provider) != recorded.base_url:
        return None
    base = baseline(facts)
    url = provider_url(config_toml.parse(base.config.content), recorded.provider) or "Codex's own default"
    layout = facts.layout
    keys = [edit.path for edit in config_edits(facts, manifest)]
    config = FileChange(
        path=layout.config,
        before=facts.config.data,
        after=base.config.content,
        secret=True,
        format="config_toml",
        edits=config_toml.edits_between(facts.config.data, base.config.content, keys),
    )
    rows = [config]
    if base.hooks.content != facts.hooks.data:
        rows.append(FileChange(path=layout.hooks, before=facts.hooks.data, after=base.hooks.content, secret=True))
    given_back = manifest.restored().serialise()
    rows.append(FileChange(path=layout.manifest, before=facts.manifest_data, after=given_back, secret=True))
    source = manifest.backup_path if facts.backup is not None else str(layout.manifest)
    return Repair(provider=recorded.provider, url=url, source=source or "", changes=tuple(rows))


def unrecorded(facts: Facts) -> tuple[str, str] | None:
    """The provider that points at a proxy of which there is no record, and its URL; None where none does."""
    doc = facts.config.doc
    if facts.manifest is not None or doc is None:
        return None
    provider = facts.settings.provider if facts.settings else active_provider(doc)
    now = provider_url(doc, provider) if provider else None
    if provider is None or now is None or not _OURS.match(now) or not _is_ours(facts, now):
        return None
    return provider, now


def _is_ours(facts: Facts, url: str) -> bool:
    """Whether this loopback URL is a proxy's: others serve models on this machine too, and theirs stay."""
    if facts.settings is not None:
        return url == facts.settings.base_url
    worker = running(facts)
    if worker is not None:
        parts = urlsplit(url)
        return (parts.hostname, parts.port) == (worker.host, worker.port)
    if facts.hook_entries:
        return True
    # A version that deleted all its state left this address and nothing else; nobody may be answering there.
    dead = facts.candidate is not None and facts.candidate.state is PortState.FREE
    return dead and url == f"http://{DEFAULT_HOST}:{DEFAULT_PORT}{DEFAULT_PROXY_BASE}"


def _url_before(facts: Facts, provider: str, now: str) -> tuple[str, str, tuple[KeyEdit, ...]] | None:
    key = url_key(provider)
    trust = tuple(
        KeyEdit(path=hook_trust.state_path(entry.key, leaf), before=ABSENT, after=value)
        for entry in facts.hook_entries
        for leaf in ("trusted_hash", "enabled")
        if (value := config_toml.lookup(facts.config.doc or {}, hook_trust.state_path(entry.key, leaf))) is not ABSENT
    )
    # A provider on this machine has a URL like ours, and older versions backed up their own: such a one counts last.
    saved = facts.settings.upstream_base if facts.settings else None
    for loopback, (path, data) in product((False, True), facts.kept_backups):
        try:
            before = config_toml.parse(data)
        except Unmergeable:
            continue
        url = provider_url(before, provider)
        if url is None or url == now or bool(_OURS.match(url)) is not loopback:
            continue
        if loopback and saved not in {None, url}:
            continue
        spelt = KeyEdit(path=key, before=url, after=now, before_spelling=config_toml.spelling(data, key))
        flags = tuple(
            KeyEdit(path=flag, before=config_toml.lookup(before, flag), after=True)
            for flag in _FLAGS
            if config_toml.lookup(facts.config.doc or {}, flag) is True
            and config_toml.lookup(before, flag) is not True
        )
        return url, path, (spelt, *flags, *trust)
    if facts.settings is None:
        return None
    url = facts.settings.upstream_base
    return url, "settings.json", (KeyEdit(path=key, before=url, after=now), *trust)


def _changes(facts: Facts, config: Merged, edits: tuple[KeyEdit, ...]) -> tuple[FileChange, ...]:
    rows = [
        FileChange(
            path=facts.layout.config,
            before=facts.config.data,
            after=config.content,
            secret=True,
            format="config_toml",
            edits=config_toml.edits_between(facts.config.data, config.content, [edit.path for edit in edits]),
        )
    ]
    groups = recognised_hooks(facts.hooks)
    if groups and facts.hooks.data is not None:
        hooks = HOOKS_JSON.restore(facts.hooks.data, None, groups)
        rows.append(FileChange(path=facts.layout.hooks, before=facts.hooks.data, after=hooks.content, secret=True))
    return tuple(rows)
