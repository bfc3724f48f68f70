"""config.toml: read it, and set or give back our own keys in any legal spelling of it.

The text is spliced by spans of our own (toml_syntax, toml_edit) and never dumped. Each edit is then parsed and
compared with the declared change, and refused where it would mean anything more.

tomlkit writes single keys and values here and edits nothing. Measured as the editor (0.15.2, 3,000 drawn texts,
tests/strategies.py): it printed 31 % of them otherwise than it had read them, changed the meaning of other keys in
5 %, and refused 7 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cfp.codex.compare import equivalent
from cfp.codex.text import Decoded, Unparseable, decode
from cfp.codex.toml_edit import delete, drop_empty_section, headers, render, set_value, value_text
from cfp.codex.toml_reader import loads
from cfp.codex.toml_syntax import Path
from journal.values import ABSENT, Absent, Json, KeyEdit, KeyPath, Merged, Unmergeable

_OWN_TABLES = ("hooks", "state")
_read = lru_cache(maxsize=8)(loads)  # a command asks for some twenty keys of two texts; shared in here, never changed


def parse(data: bytes | None) -> dict[str, Json]:
    """Read config.toml; None (no file) is {}. Raises Unparseable."""
    return loads(decode(data).text)


def lookup(doc: Mapping[str, Json], path: KeyPath) -> Json | Absent:
    """Return the value at a key path, ABSENT where it, or a table on the way, is not there."""
    value: Json = doc
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def merged(lower: Mapping[str, Json], upper: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return one config over another, as Codex layers its files: table by table, key by key."""
    if not lower:
        return upper
    both = {
        name: merged(lower[name], upper[name])
        for name in lower.keys() & upper.keys()
        if _are_tables(lower[name], upper[name])
    }
    return {**lower, **upper, **both}


def spelling(data: bytes | None, path: KeyPath) -> str | None:
    """Return a value as it is written; None where it is absent or a table that is not written in one place."""
    return value_text(decode(data).text, path)


def edit_for(data: bytes | None, path: KeyPath, after: Json | Absent) -> KeyEdit:
    """Return the edit that makes `after` the value at `path` (ABSENT: deletes it).

    Raises Unmergeable where a table, a list or a date is there: Codex takes none of them for a key of ours.
    """
    before = lookup(_read(decode(data).text), path)
    if before is ABSENT:
        return KeyEdit(path=path, before=ABSENT, after=after)
    if not isinstance(before, str | bool | int | float):
        raise Unmergeable(f"{_name(path)} is not a plain value")
    return KeyEdit(path=path, before=before, after=after, before_spelling=spelling(data, path))


def edits_between(before: bytes | None, after: bytes | None, paths: Iterable[KeyPath]) -> tuple[KeyEdit, ...]:
    """Return the edits that take these keys from one text to another, as each is spelled there."""
    old_doc, new_doc = _read(decode(before).text), _read(decode(after).text)
    return tuple(
        KeyEdit(
            path=path,
            before=lookup(old_doc, path),
            after=lookup(new_doc, path),
            before_spelling=spelling(before, path),
            after_spelling=spelling(after, path),
        )
        for path in dict.fromkeys(paths)
        if not equivalent(lookup(old_doc, path), lookup(new_doc, path))
    )


@dataclass(frozen=True, slots=True)
class ConfigToml:
    """The journal's Format of config.toml; every edit is at a leaf, a value and never a table.

    is_ours  whether a value that stands there now is the one that was written: another spelling of it may be, too
    """

    is_ours: Callable[[Json, Json], bool] = equivalent

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        """Set each key to its `after`; raises Unmergeable where more than those keys would change.

        A trust table `[hooks.state."…"]` that is left empty goes with its last key; any other table stays.
        """
        draft = _Draft(decode(current))
        for edit in edits:
            draft.put(edit.path, edit.after, edit.after_spelling)
            if edit.after is ABSENT and edit.path[:-2] == _OWN_TABLES:
                draft.drop_table(edit.path[:-1])
        return draft.finish(edit.path for edit in edits)

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        """Give each key back that is still ours, in its owner's spelling; see `Format.restore`.

        A table that `before` has no header for, and that holds nothing more, goes with our last key. So does the
        file where there was none (`before` None) and nothing is left.
        """
        if self._untouched(current, before, edits):
            return Merged(content=before)
        draft = _Draft(decode(current))
        old_headers = _headers(before)
        conflicts = []
        for edit in edits:
            now = lookup(draft.doc, edit.path)
            if equivalent(now, edit.before):
                continue
            if not self.is_ours(now, edit.after):
                conflicts.append(edit.path)
                continue
            draft.put(edit.path, edit.before, edit.before_spelling)
            if edit.before is ABSENT and edit.path[:-1] not in old_headers:
                draft.drop_table(edit.path[:-1])
        content = draft.finish(edit.path for edit in edits)
        gone = before is None and not draft.text.strip()
        return Merged(content=None if gone else content, conflicts=tuple(conflicts))

    def _untouched(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> bool:
        try:
            return self.apply(before, edits) == current
        except Unmergeable:
            return False


class _Draft:
    """A text under edit, and the document that the edited text must parse to."""

    def __init__(self, decoded: Decoded) -> None:
        self._decoded = decoded
        self.text = decoded.text
        self.doc = _read(decoded.text)

    def put(self, path: KeyPath, value: Json | Absent, spelled: str | None) -> None:
        """Set the value at `path`, as `spelled` where that is known."""
        if equivalent(lookup(self.doc, path), value):
            return
        _require_tables(self.doc, path)
        if value is ABSENT:
            self.text = delete(self.text, path)
        else:
            self.text = set_value(self.text, path, _in_style_of(self.text, spelled or render(value)))
        self.doc = _with(self.doc, path, value)

    def drop_table(self, path: KeyPath) -> None:
        """Delete a header that has no entry any more."""
        if path:
            self.text = drop_empty_section(self.text, path)

    def finish(self, paths: Iterable[KeyPath]) -> bytes:
        """Return the bytes, once the text is proven to mean the document; empty tables on the way do not count."""
        try:
            written, declared = _read(self.text), self.doc
        except Unparseable:
            raise Unmergeable("the edit would not be legal TOML") from None
        for path in paths:
            written, declared = _without_empty(written, path[:-1]), _without_empty(declared, path[:-1])
        if not equivalent(written, declared):
            raise Unmergeable("the edit would change more than our own keys")
        try:
            return self._decoded.encode(self.text)
        except UnicodeEncodeError:
            raise Unmergeable("the value is not text") from None


CONFIG_TOML = ConfigToml()


def _are_tables(*values: Json) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def _headers(before: bytes | None) -> frozenset[Path]:
    """Return the headers of an earlier image; none where it does not parse."""
    try:
        _read(decode(before).text)
    except Unparseable:
        return frozenset()
    return headers(decode(before).text)


def _require_tables(doc: Mapping[str, Json], path: KeyPath) -> None:
    for depth in range(1, len(path)):
        table = lookup(doc, path[:depth])
        if table is not ABSENT and not isinstance(table, dict):
            raise Unmergeable(f"{_name(path[:depth])} is not a table")
    if isinstance(lookup(doc, path), dict | list):
        raise Unmergeable(f"{_name(path)} is not a plain value")


def _with(doc: dict[str, Json], path: KeyPath, value: Json | Absent) -> dict[str, Json]:
    """Return the document with one value set, or taken out; tables on the way are copied, never changed."""
    head, rest = path[0], path[1:]
    if rest:
        return {**doc, head: _with(doc.get(head, {}), rest, value)}
    if value is ABSENT:
        return {name: other for name, other in doc.items() if name != head}
    return {**doc, head: value}


def _without_empty(doc: dict[str, Json], path: KeyPath) -> dict[str, Json]:
    """Return the document without the tables on the way to `path`, itself included, that hold nothing."""
    for depth in range(len(path), 0, -1):
        if lookup(doc, path[:depth]) == {}:
            doc = _with(doc, path[:depth], ABSENT)
    return doc


def _in_style_of(text: str, spelled: str) -> str:
    """Return a value of several lines with the line endings of the text that it comes back into."""
    return spelled if "\r\n" in text else spelled.replace("\r\n", "\n")


def _name(path: KeyPath) -> str:
    return ".".join(path)
