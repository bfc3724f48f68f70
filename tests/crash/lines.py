"""A small format of shared files for tests: `key=value` lines, some of which are our own keys.

It keeps the promises of `journal.Format` with a trivial parser, so that a million crashes stay affordable.
"""

from __future__ import annotations

from collections.abc import Sequence

from journal.values import ABSENT, KeyEdit, KeyPath, Merged, Unmergeable


def parse(text: bytes | None) -> dict[str, str]:
    pairs = {}
    for line in (text or b"").decode().splitlines():
        key, separator, value = line.partition("=")
        if not separator or "\0" in line:
            raise Unmergeable(line)
        pairs[key] = value
    if text and not text.endswith(b"\n"):
        raise Unmergeable("torn")
    return pairs


def dump(values: dict[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in values.items()).encode()


class Lines:
    """The format `lines`."""

    def apply(self, current: bytes | None, edits: Sequence[KeyEdit]) -> bytes:
        values = parse(current)
        for edit in edits:
            _set(values, edit.path[0], edit.after)
        return dump(values)

    def restore(self, current: bytes, before: bytes | None, edits: Sequence[KeyEdit]) -> Merged:
        values = parse(current)
        conflicts: list[KeyPath] = []
        for edit in edits:
            now = values.get(edit.path[0], ABSENT)
            if now == edit.after:
                _set(values, edit.path[0], edit.before)
            elif now != edit.before:
                conflicts.append(edit.path)
        if before is None and not values:
            return Merged(content=None, conflicts=tuple(conflicts))
        if before is not None and parse(before) == values:
            return Merged(content=before, conflicts=tuple(conflicts))
        return Merged(content=dump(values), conflicts=tuple(conflicts))


def _set(values: dict[str, str], key: str, value: object) -> None:
    if value is ABSENT:
        values.pop(key, None)
    else:
        values[key] = str(value)


LINES = Lines()
