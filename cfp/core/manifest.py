"""install-manifest.json and addresses.json: the records by which an uninstall gives the files back.

For each file it has the hash of both images, for each own key the value and spelling before. The whole before-image
of hooks.json is inside, that of config.toml is the user's backup. Manifests of version 0.1.0 have hashes and settings
only: `edits` is None then, and follows from the backup.

addresses.json has every address that the proxy has had in this home, and the URL that it stood for. An older
config.toml (git, Time Machine, sync) can bring such an address back long after an uninstall, so the record stays with
the backups and forgets nothing by itself:
`{"version": 1, "addresses": [{"url": "http://127.0.0.1:8787/v1", "provider": NAME, "before": URL or null}]}`
"""

from __future__ import annotations

import base64
import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cfp.core.settings import Settings, loopback_port, settings_from_json
from cfp.errors import Refused
from cfp.layout import Layout
from journal.values import ABSENT, KeyEdit

FORMAT = 2  # of this file; a higher number is a newer version's, whose meaning is not known here


class ManifestState(enum.StrEnum):
    """Whether the files of the installation were given back."""

    INSTALLED = "installed"
    RESTORED = "restored"


def digest(data: bytes | None) -> str:
    """SHA-256 in hex of a file's bytes, "" for a file that is not there."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file of the installation; `edits` None in a manifest of 0.1.0."""

    hash_before: str
    hash_after: str
    edits: tuple[KeyEdit, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One installation; `hooks_before` is the whole hooks.json before it, None for no file."""

    version: str
    state: ManifestState
    installed_at: str
    config_path: str
    backup_path: str | None
    hooks_path: str
    hooks_before: bytes | None
    config: FileRecord
    hooks: FileRecord
    settings: Settings

    def restored(self) -> Manifest:
        """Return the record of an installation whose files were given back."""
        return replace(self, state=ManifestState.RESTORED)

    def in_home(self, layout: Layout) -> Manifest:
        """Return the record with its paths in this home: it may have been moved or copied since.

        A copy must name its own files, or an uninstall there would act by those of the original.
        """
        former = Path(self.config_path).parent
        if former == layout.home:
            return self

        def present(path: str) -> str:
            inside = Path(path).is_relative_to(former)
            return str(layout.home / Path(path).relative_to(former)) if inside else path

        return replace(
            self,
            config_path=present(self.config_path),
            hooks_path=present(self.hooks_path),
            backup_path=present(self.backup_path) if self.backup_path else None,
        )

    def serialise(self) -> bytes:
        before = None if self.hooks_before is None else base64.b64encode(self.hooks_before).decode()
        fields = {
            "version": self.version,
            # A manifest of 0.1.0 that is written again still lacks the keys, which is not the same as having none.
            "format": 1 if self.config.edits is None else FORMAT,
            "state": self.state,
            "installed_at": self.installed_at,
            "provider": self.settings.provider,
            "config_path": self.config_path,
            "backup_path": self.backup_path,
            "config_hash_before": self.config.hash_before,
            "config_hash_after": self.config.hash_after,
            "config_keys": [_edit_to_json(edit) for edit in self.config.edits or ()],
            "hooks_path": self.hooks_path,
            "hooks_before": before,
            "hooks_hash_before": self.hooks.hash_before,
            "hooks_hash_after": self.hooks.hash_after,
            "hooks_keys": [_edit_to_json(edit) for edit in self.hooks.edits or ()],
            "settings": self.settings.to_json(),
        }
        return json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Parse install-manifest.json, of this format or of 0.1.0's.

    Raises Refused: manifest_invalid, record_of_newer_version (version: the program that wrote it).
    """
    try:
        raw = json.loads(data)
        if not isinstance(raw, Mapping):
            raise Refused("manifest_invalid", reason="it is not a JSON object")
        number = raw.get("format", 1)
        if not isinstance(number, int) or number > FORMAT:
            raise Refused("record_of_newer_version", version=str(raw.get("version", "")) or "unknown")
        return _from_json(raw)
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise Refused("manifest_invalid", reason=f"reading it failed ({type(error).__name__})") from error


def _from_json(raw: Mapping[str, Any]) -> Manifest:
    ours = raw.get("format") == FORMAT
    before = raw.get("hooks_before")
    return Manifest(
        version=str(raw.get("version", "")),
        state=ManifestState(raw.get("state", ManifestState.INSTALLED)),
        installed_at=str(raw.get("installed_at", "")),
        config_path=str(raw["config_path"]),
        backup_path=raw.get("backup_path"),
        hooks_path=str(raw.get("hooks_path", "")),
        hooks_before=base64.b64decode(before) if before is not None else None,
        config=FileRecord(
            hash_before=str(raw.get("config_hash_before") or ""),
            hash_after=str(raw.get("config_hash_after") or ""),
            edits=_edits(raw["config_keys"]) if ours else None,
        ),
        hooks=FileRecord(
            hash_before=str(raw.get("hooks_hash_before") or ""),
            hash_after=str(raw.get("hooks_hash_after") or ""),
            edits=_edits(raw["hooks_keys"]) if ours else None,
        ),
        settings=settings_from_json(raw["settings"]),
    )


def _edit_to_json(edit: KeyEdit) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": list(edit.path)}
    if edit.before is not ABSENT:
        fields["before"] = edit.before
    if edit.after is not ABSENT:
        fields["after"] = edit.after
    if edit.before_spelling is not None:
        fields["before_spelling"] = edit.before_spelling
    return fields


def _edits(raw: list[Mapping[str, Any]]) -> tuple[KeyEdit, ...]:
    return tuple(
        KeyEdit(
            path=tuple(item["path"]),
            before=item.get("before", ABSENT),
            after=item.get("after", ABSENT),
            before_spelling=item.get("before_spelling"),
        )
        for item in raw
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerAddress:
    """A URL of ours in config.toml; `before`: the URL that the provider had there, None for none."""

    url: str
    provider: str
    before: str | None

    @property
    def port(self) -> int | None:
        return loopback_port(self.url)


def parse_addresses(data: bytes | None) -> tuple[FormerAddress, ...]:
    """Return the recorded addresses, oldest first; an entry of another shape is left out, a broken file has none."""
    try:
        raw = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return ()
    entries = raw.get("addresses") if isinstance(raw, Mapping) else None
    return tuple(entry for item in entries if (entry := _entry(item))) if isinstance(entries, list) else ()


def _entry(item: Any) -> FormerAddress | None:
    if not isinstance(item, Mapping):
        return None
    url, provider, before = item.get("url"), item.get("provider"), item.get("before")
    if not isinstance(url, str) or not isinstance(provider, str) or not isinstance(before, str | None):
        return None
    return FormerAddress(url=url, provider=provider, before=before)


def with_addresses(
    present: Iterable[FormerAddress], added: Iterable[FormerAddress], *, without: int | None = None
) -> tuple[FormerAddress, ...]:
    """Return the record with `added`, one entry for each port and provider; without those of the port `without`."""
    entries = {(entry.port, entry.provider): entry for entry in (*present, *added)}
    return tuple(entry for entry in entries.values() if entry.port is None or entry.port != without)


def serialise_addresses(entries: Iterable[FormerAddress]) -> bytes:
    """Return the file."""
    fields = {"version": 1, "addresses": [asdict(entry) for entry in entries]}
    return json.dumps(fields, indent=2, ensure_ascii=False).encode() + b"\n"
