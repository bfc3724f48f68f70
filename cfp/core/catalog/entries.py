"""The entries of a catalogue: copied from Codex's own or the provider's, never made up.

An answer with entries takes the place of Codex's own catalogue (0.171), so all bundled ones are in it. An empty one
leaves Codex its own, but not where `model_catalog_url` names the catalogue: there Codex then knows no model at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cfp.core.tiers.names import PRIORITY, canonical
from cfp.core.traffic.models import plain_name

Entry = Mapping[str, Any]

_OK: Final = 200
_NOT_FOUND: Final = 404
_VENDOR: Final = re.compile(r"[A-Za-z0-9_-]+/(?=[^/]+\Z)")  # the one that Codex takes off (0.150)
_TIERS: Final = "service_tiers"
_SPEEDS: Final = "additional_speed_tiers"  # the same before 0.150, by other names
_DEFAULT: Final = "default_service_tier"
_OF_THE_ORIGINAL: Final = frozenset({"upgrade", "availability_nux", _DEFAULT})  # words on another model, a choice
# What Codex 0.171 shows of the tier; 0.130 names it by the speed.
_FAST_TIER: Final = {_TIERS: [{"id": PRIORITY, "name": "Fast", "description": "The provider's priority tier"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The facts that a catalogue depends on, besides the provider's answer.

    bundled  the entries of Codex's own catalogue; None where they cannot be had
    refused  the models for which the provider refused `tier`
    """

    bundled: Sequence[Entry] | None
    refused: Collection[str | None]
    tier: str


def stand_in(status: int, body: bytes, known: Knowledge) -> list[Entry] | None:
    """Return the entries for a Codex that falls back to its own catalogue; None where the answer passes as it is.

    A list in OpenAI's form or a 404 is no answer to Codex, which reports it as an error. Without a name or a refusal
    that Codex does not know there are no entries, and Codex keeps its own.
    """
    names = () if status == _NOT_FOUND else _names(status, body)
    if names is None:
        return None
    bundled = known.bundled or ()
    more = aliases(bundled, names)
    is_refused = any(entry["slug"] in known.refused for entry in bundled)
    return _without_refused([*bundled, *more], known) if more or is_refused else []


def whole_catalog(status: int, body: bytes, known: Knowledge) -> list[Entry] | None:
    """Return the entries for a Codex that knows no other; None where there are none, and the answer passes as it is.

    The provider's own entries go first, and those of Codex that they lack follow: the user had these before.
    """
    own = (read_catalog(body) if status == _OK else None) or []
    bundled = known.bundled or ()
    names = {entry["slug"] for entry in own}
    others = [entry for entry in bundled if entry["slug"] not in names]
    more = aliases(bundled, _names(status, body) or ())
    return _without_refused([*with_tiers(own, bundled), *others, *more], known) or None


def _names(status: int, body: bytes) -> tuple[str, ...] | None:
    return read_list(body) if status == _OK else None


def read_catalog(data: bytes) -> list[Entry] | None:
    """Return the entries of a catalogue; None where the answer is none, or one of its entries has no name."""
    entries = _member(data, "models")
    return entries if _all_have("slug", entries) else None


def read_list(data: bytes) -> tuple[str, ...] | None:
    """Return the names in a list of models in OpenAI's form; None where the answer is none."""
    models = _member(data, "data")
    return tuple(model["id"] for model in models or ()) if _all_have("id", models) else None


def serialise(entries: Iterable[Entry]) -> bytes:
    """Return the catalogue as Codex reads it."""
    return json.dumps({"models": list(entries)}, ensure_ascii=False, separators=(",", ":")).encode()


def names_a_model(name: str, slugs: Iterable[str]) -> bool:
    """Whether Codex finds one of these models by a name: by its beginning, and behind one vendor (0.150)."""
    names = {name, _VENDOR.sub("", name, count=1) if _VENDOR.match(name) else name}
    return any(name.startswith(slug) for slug in slugs for name in names)


def aliases(bundled: Sequence[Entry], names: Iterable[str]) -> list[Entry]:
    """Return an entry for each name that means a bundled model and by which Codex would not find it.

    The user chooses the alias, so no tier is its default: Fast is sent where it was asked for.
    """
    by_name = {plain_name(entry["slug"]): entry for entry in bundled}
    slugs = [entry["slug"] for entry in bundled]
    return [
        {**entry, **dict.fromkeys(_OF_THE_ORIGINAL & entry.keys()), "slug": name, "display_name": name}
        for name in dict.fromkeys(names)
        if not names_a_model(name, slugs) and (entry := by_name.get(plain_name(name))) is not None
    ]


def with_tiers(entries: Iterable[Entry], bundled: Sequence[Entry]) -> list[Entry]:
    """Return a provider's own entries, with tiers for those that say nothing of any.

    They are those of the bundled model of that name, else the priority tier alone: whether the provider serves it
    shows when it is asked for.
    """
    by_name = {plain_name(entry["slug"]): entry for entry in bundled}
    return [
        entry if _says_tiers(entry) else {**entry, **_tiers(by_name.get(plain_name(entry["slug"]), _FAST_TIER))}
        for entry in entries
    ]


def _says_tiers(entry: Entry) -> bool:
    return entry.get(_TIERS) is not None or entry.get(_SPEEDS) is not None


def _tiers(entry: Entry) -> dict[str, Any]:
    return {key: entry[key] for key in (_TIERS, _SPEEDS) if key in entry}


def _without_refused(entries: Iterable[Entry], known: Knowledge) -> list[Entry]:
    return [_without(entry, known.tier) if entry["slug"] in known.refused else entry for entry in entries]


def _without(entry: Entry, tier: str) -> Entry:
    removed = canonical(tier)
    kept: dict[str, Any] = {
        _TIERS: [one for one in entry.get(_TIERS) or () if canonical(_name(one)) != removed],
        _SPEEDS: [one for one in entry.get(_SPEEDS) or () if canonical(_name(one)) != removed],
    }
    default = entry.get(_DEFAULT)
    kept[_DEFAULT] = None if default is not None and canonical(str(default)) == removed else default
    return {**entry, **{key: value for key, value in kept.items() if key in entry}}


def _name(tier: Any) -> str:
    return str(tier.get("id") if isinstance(tier, Mapping) else tier)


def _member(data: bytes, name: str) -> Any:
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return root.get(name) if isinstance(root, dict) else None


def _all_have(key: str, values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, dict) and isinstance(value.get(key), str) for value in values
    )
