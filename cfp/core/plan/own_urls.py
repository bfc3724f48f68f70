"""The provider's own URL behind each URL of ours: none of ours becomes a baseline, a backup or an upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.manifest import FormerAddress
from cfp.core.plan.model_catalog import catalog_key, catalog_url, is_catalogue_of_ours, original_catalog
from cfp.core.provider import BUILT_IN, BUILT_IN_URL, is_same_url, provider_url, providers, url_key, without_secrets
from cfp.core.settings import loopback_port
from cfp.core.unrecorded import Owner, is_left_behind, key_source, own_urls, owner_of, parsed_backups
from cfp.errors import ConfigDrift
from journal.values import ABSENT, Absent, KeyEdit, KeyPath, Unmergeable


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """A provider's own URL, ABSENT for Codex's default, and the place that it was read from.

    backup  the document of the backup that has it, and `data` its bytes; None where another place has it
    """

    url: str | Absent
    name: str
    spelling: str | None = None
    backup: Mapping[str, Any] | None = None
    data: bytes | None = None

    def spelling_of(self, path: KeyPath) -> str | None:
        """Return another value of that backup as it is written."""
        return None if self.data is None else config_toml.spelling(self.data, path)


def find_provider_url(facts: Facts, provider: str, url: str) -> UrlSource | None:
    """Return the URL for which `url`, one of ours, stands in the provider's table; None where it is unknown."""
    sources = (
        *_by_key(facts, provider),
        *_recorded_at(facts, provider, url),
        *_in_manifest(facts, provider),
        *backup_sources(facts, provider),
        *_in_settings(facts, provider),
        *_copied(facts, provider, url),
    )
    return next((source for source in sources if _is_usable(facts, provider, url, source)), None)


def _by_key(facts: Facts, provider: str) -> Iterator[UrlSource]:
    """Yield the backups with the very key of config.toml, where the install found another key there.

    An older config.toml is back then: its key belongs to the URL that it had, and the present one never gets it.
    """
    present, backup = key_source(facts.config.root, provider), facts.recorded_backup
    try:
        installed_with = None if backup is None else key_source(config_toml.parse(backup), provider)
    except Unmergeable:
        return
    if not present or installed_with is None or installed_with == present:
        return
    for source in backup_sources(facts, provider):
        if source.backup is not None and key_source(source.backup, provider) == present:
            yield source


def _is_usable(facts: Facts, provider: str, url: str, source: UrlSource) -> bool:
    if isinstance(source.url, Absent):
        return True
    same = loopback_port(source.url) is not None and loopback_port(source.url) == loopback_port(url)
    return not same and owner_of(facts, source.url) is Owner.OTHER and not _is_lost(facts, provider, source.url)


def _is_lost(facts: Facts, provider: str, url: str) -> bool:
    """Whether 0.2.0 recorded this dead address of ours as the provider's URL; the settings then have another one."""
    recorded = facts.recorded_settings
    if recorded is None or recorded.provider != provider or is_same_url(recorded.upstream_base, url):
        return False
    return is_left_behind(facts, provider, url)


def _recorded_at(facts: Facts, provider: str, url: str) -> Iterator[UrlSource]:
    """Yield the URL that the record of addresses has for this one, but for the present address: the manifest has it.

    The spelling of the manifest or of a backup counts where it has the same URL.
    """
    manifest = facts.manifest
    port = loopback_port(url)
    if manifest is not None and (manifest.settings.provider, manifest.settings.port) == (provider, port):
        return
    for entry in reversed(facts.addresses):
        if (entry.port, entry.provider) != (port, provider):
            continue
        spelled = (*_in_manifest(facts, provider), *backup_sources(facts, provider))
        same = (source for source in spelled if is_same_url(_text(source.url), entry.before))
        before = ABSENT if entry.before is None else entry.before
        yield next(same, UrlSource(url=before, name=str(facts.layout.addresses)))


def _text(url: str | Absent) -> str | None:
    return None if isinstance(url, Absent) else url


def _in_manifest(facts: Facts, provider: str) -> Iterator[UrlSource]:
    manifest = facts.manifest
    if manifest is None or manifest.settings.provider != provider:
        return
    path, name = url_key(provider), str(facts.layout.manifest)
    for edit in manifest.config.edits or ():
        if edit.path == path and isinstance(edit.before, str | Absent):
            yield UrlSource(url=edit.before, name=name, spelling=edit.before_spelling)


def _in_settings(facts: Facts, provider: str) -> Iterator[UrlSource]:
    for settings, path in (
        (facts.settings, facts.layout.settings),
        (facts.manifest.settings if facts.manifest else None, facts.layout.manifest),
    ):
        if settings is not None and settings.provider == provider:
            yield UrlSource(url=settings.upstream_base, name=path.name)


def _copied(facts: Facts, provider: str, url: str) -> Iterator[UrlSource]:
    """Yield the URL of the recorded provider, from whose table another one has a copy of the present address.

    The key was copied, too, and while a saved upstream is in use, the settings have another URL than that of the key.
    """
    recorded = facts.recorded_settings
    if recorded is not None and recorded.provider != provider and loopback_port(url) == recorded.port:
        yield from _in_manifest(facts, recorded.provider)
        yield UrlSource(url=recorded.upstream_base, name=facts.layout.settings.name)


def backup_sources(facts: Facts, provider: str) -> Iterator[UrlSource]:
    """Yield the provider's other URLs in the backups, the best first.

    A backup with the very key of config.toml comes first, since a key belongs to one URL. The newest URL of another
    machine is next; a loopback URL looks like one of ours, and the oldest is the one that no later install can have
    written. The built-in provider's default URL is the last.
    """
    present = key_source(facts.config.root, provider)
    recorded = facts.recorded_settings
    upstream = recorded.upstream_base if recorded is not None and recorded.provider == provider else None
    rows = []
    for age, (path, data, doc) in enumerate(parsed_backups(facts)):
        backup_url = provider_url(doc, provider)
        other_key = key_source(doc, provider) != present
        if backup_url is None:
            if provider == BUILT_IN and upstream in {None, BUILT_IN_URL}:
                rows.append(((other_key, 2, age), UrlSource(url=ABSENT, name=path, backup=doc, data=data)))
            continue
        port = loopback_port(backup_url)
        if port is not None and not (upstream is None or is_same_url(upstream, backup_url)):
            continue
        spelling = config_toml.spelling(data, url_key(provider))
        source = UrlSource(url=backup_url, name=path, spelling=spelling, backup=doc, data=data)
        rows.append(((other_key, int(port is not None), age if port is None else -age), source))
    yield from (source for _, source in sorted(rows, key=lambda row: row[0]))


def with_own_urls(facts: Facts, edits: tuple[KeyEdit, ...]) -> tuple[KeyEdit, ...]:
    """Return the edits that also give back every URL of ours in config.toml, in whichever spelling it stands there.

    An edit that would give back a URL of ours gives back the provider's own. A URL whose provider's own one is
    unknown has no edit: `check_own_urls` refuses what is left.
    """
    doc = facts.config.root
    known = {edit.path: edit for edit in edits}
    present = dict(own_urls(facts, doc))
    names = dict.fromkeys((*providers(doc), BUILT_IN))
    for provider in names:
        path = url_key(provider)
        edit, url = known.get(path), present.get(provider)
        if edit is not None:
            known[path] = _mended(facts, provider, edit)
        if url is None:
            continue
        source = find_provider_url(facts, provider, url)
        if source is None:
            known.pop(path, None)
        else:
            known[path] = KeyEdit(path=path, before=source.url, after=url, before_spelling=source.spelling)
            catalog = _catalog_edit(facts, provider, source.url)
            if catalog is not None:
                known.setdefault(catalog.path, catalog)
    return tuple(known.values())


def _catalog_edit(facts: Facts, provider: str, upstream: str | Absent) -> KeyEdit | None:
    """Return the edit that gives back the provider's model catalogue, where it is at an address of ours."""
    url = catalog_url(facts.config.root, provider)
    if url is None or owner_of(facts, url) is not Owner.OURS:
        return None
    if is_catalogue_of_ours(url, url):
        return KeyEdit(path=catalog_key(provider), before=ABSENT, after=url)
    if isinstance(upstream, Absent):
        return None
    original = original_catalog(url, proxy=url, upstream=upstream)
    return None if original is None else KeyEdit(path=catalog_key(provider), before=original, after=url)


def _mended(facts: Facts, provider: str, edit: KeyEdit) -> KeyEdit:
    before = edit.before
    if not isinstance(before, str):
        return edit
    if owner_of(facts, before) is not Owner.OURS and not _is_lost(facts, provider, before):
        return edit
    source = find_provider_url(facts, provider, before)
    return edit if source is None else replace(edit, before=source.url, before_spelling=source.spelling)


def is_sound(facts: Facts, backup: bytes, edits: tuple[KeyEdit, ...]) -> bool:
    """Whether the recorded backup is the user's own file: it names no URL of ours, and what the edits give back."""
    try:
        doc = config_toml.parse(backup)
    except Unmergeable:
        return True
    if any(True for _ in own_urls(facts, doc)):
        return False
    manifest = facts.manifest
    if manifest is None:
        return True
    path = url_key(manifest.settings.provider)
    wanted = [_text(edit.before) for edit in edits if edit.path == path and isinstance(edit.before, str | Absent)]
    return all(is_same_url(provider_url(doc, manifest.settings.provider), url) for url in wanted)


def check_own_urls(facts: Facts, content: bytes | None) -> None:
    """Raise ConfigDrift(proxy_unrecorded) for a baseline in which a provider still has a URL of ours."""
    for provider, url in own_urls(facts, config_toml.parse(content)):
        raise ConfigDrift(
            "proxy_unrecorded", provider=provider, url=without_secrets(url), key=".".join(url_key(provider))
        )


def own_addresses(facts: Facts) -> tuple[FormerAddress, ...]:
    """Return the addresses that the manifest records; an older version wrote no record of addresses.

    An address of ours that 0.2.0 recorded as the provider's URL is one of them.
    """
    manifest = facts.manifest
    if manifest is None:
        return ()
    settings = manifest.settings
    recorded = [edit for edit in manifest.config.edits or () if edit.path == url_key(settings.provider)]
    mended = [_mended(facts, settings.provider, edit) for edit in recorded]
    left = [
        FormerAddress(url=edit.before, provider=settings.provider, before=_text(own.before))
        for edit, own in zip(recorded, mended, strict=True)
        if edit is not own and isinstance(edit.before, str) and isinstance(own.before, str | Absent)
    ]
    urls = [edit.before for edit in mended]
    before = urls[0] if urls and isinstance(urls[0], str | Absent) else settings.upstream_base
    return (*left, FormerAddress(url=settings.base_url, provider=settings.provider, before=_text(before)))
