"""config.toml: read it, and set or give back our own keys in any legal spelling of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from journal.values import Absent, Json, KeyEdit, KeyPath, Merged


def parse(data: bytes | None) -> dict[str, Json]:
    """Read config.toml; None (no file) is {}. Raises Unparseable."""
    raise NotImplementedError


def lookup(doc: Mapping[str, Json], path: KeyPath) -> Json | Absent:
    """Return the value at a key path, ABSENT where it, or a table on the way, is not there."""
    raise NotImplementedError


def spelling(data: bytes | None, path: KeyPath) -> str | None:
    """Return a value as it is written; None where it is absent or a table that is not written in one place."""
    raise NotImplementedError


def edit_for(data: bytes | None, path: KeyPath, after: Json | Absent) -> KeyEdit:
    """Return the edit that makes `after` the value at `path` (ABSENT: deletes it)."""
    raise NotImplementedError


class ConfigToml:
    """The journal's Format of config.toml; every edit is at a leaf, a value and never a table."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Set each key to its `after`; raises Unmergeable where more than those keys would change."""
        raise NotImplementedError

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Give each key back that is still ours, in its owner's spelling; see `Format.restore`."""
        raise NotImplementedError


CONFIG_TOML = ConfigToml()
