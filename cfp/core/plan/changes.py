"""The changes of the files that a plan writes, each over the bytes that the survey read."""

from __future__ import annotations

from collections.abc import Iterable

from cfp.core.facts import Facts
from cfp.core.manifest import FormerAddress, Manifest, serialise_addresses, with_addresses
from cfp.core.settings import Settings
from journal.values import FileChange, KeyEdit


def config_change(facts: Facts, after: bytes | None, edits: tuple[KeyEdit, ...]) -> FileChange:
    """Return the change of config.toml; `edits` are merged into it where others write meanwhile."""
    return FileChange(
        path=facts.layout.config,
        before=facts.config.data,
        after=after,
        secret=True,
        format="config_toml",
        edits=edits,
    )


def hooks_change(facts: Facts, after: bytes | None, edits: tuple[KeyEdit, ...]) -> FileChange:
    """Return the change of hooks.json; `edits` are merged into it where others write meanwhile."""
    return FileChange(
        path=facts.layout.hooks,
        before=facts.hooks.data,
        after=after,
        secret=True,
        format="hooks_json",
        edits=edits,
    )


def settings_change(facts: Facts, settings: Settings) -> FileChange:
    """Return the change of settings.json."""
    return FileChange(path=facts.layout.settings, before=facts.settings_data, after=settings.serialise())


def addresses_change(
    facts: Facts, added: Iterable[FormerAddress], *, without: int | None = None
) -> tuple[FileChange, ...]:
    """Return the change of the record of addresses; none where it has all of them, and none at the port `without`."""
    entries = with_addresses(facts.addresses, added, without=without)
    if entries == facts.addresses:
        return ()
    after = serialise_addresses(entries)
    return (FileChange(path=facts.layout.addresses, before=facts.addresses_data, after=after, secret=True),)


def manifest_change(facts: Facts, manifest: Manifest) -> FileChange:
    """Return the change of install-manifest.json."""
    after = manifest.serialise()
    return FileChange(path=facts.layout.manifest, before=facts.manifest_data, after=after, secret=True)
