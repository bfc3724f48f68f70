"""The evidence about a provider's treatment of a tier: one record for each upstream, model and tier.

A record comes from the user's own requests and from verifications, and is forgotten a week after its first evidence,
so that a provider that has changed its mind is tried again. It holds names and counts, no contents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cfp.core.tiers.names import canonical

# Statuses of a refusal: the request was not run. Others say something else, whatever their words.
REFUSAL_STATUSES: Final = frozenset({400, 422})
KEPT_SECONDS: Final = 7 * 86400.0
MOST_RECORDS: Final = 100
_MOST_NAMES: Final = 4  # distinct tiers in the answers of one record
_OTHER: Final = "other"
_LONGEST: Final = 200  # characters of a text that a request or an answer chooses
_LARGEST: Final = 1e15
_VERSION: Final = 1

Key = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRecord:
    """The evidence so far about requests for a model with a tier, at one upstream.

    tier     by its one name
    since    the first evidence, `at` the last, in seconds since the epoch
    refused  a request was refused with the tier, and succeeded without it
    answers  requests with the tier that succeeded
    echoes   the tiers that those answers named, by their one name, and how often
    """

    upstream_base: str
    model: str | None
    tier: str
    since: float
    at: float
    refused: bool = False
    answers: int = 0
    echoes: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.upstream_base, self.model, self.tier

    @property
    def named(self) -> int:
        """The number of answers that named this tier."""
        return self.echoes.get(self.tier, 0)

    @property
    def named_another(self) -> int:
        """The number of answers that named another tier."""
        return sum(self.echoes.values()) - self.named

    def is_kept(self, now: float) -> bool:
        return self.since <= now < self.since + KEPT_SECONDS

    def with_answer(self, echoed: str | None, now: float) -> TierRecord:
        """Return the record after one more success with the tier; `echoed` is the tier in the answer."""
        return self.with_answers({echoed: 1}, now)

    def with_answers(self, echoed: Mapping[str | None, int], now: float, *, refused: bool = False) -> TierRecord:
        """Return the record after more successes with the tier: how many, by the tier in the answer.

        refused  the refusal is newer than they are
        """
        echoes = dict(self.echoes)
        for tier, count in echoed.items():
            if tier is not None:
                name = canonical(tier)[:_LONGEST]
                if name not in echoes and len(echoes) >= _MOST_NAMES and name != self.tier:
                    name = _OTHER
                echoes[name] = echoes.get(name, 0) + count
        return replace(self, at=now, refused=refused, answers=self.answers + sum(echoed.values()), echoes=echoes)

    def with_refusal(self, now: float) -> TierRecord:
        return replace(self, at=now, refused=True)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"echoes": dict(self.echoes)}


def new_record(upstream_base: str, model: str | None, tier: str, now: float) -> TierRecord:
    """Return a record without evidence."""
    short = None if model is None else model[:_LONGEST]
    return TierRecord(upstream_base=upstream_base, model=short, tier=canonical(tier)[:_LONGEST], since=now, at=now)


def parse_records(data: bytes | None, now: float) -> tuple[TierRecord, ...]:
    """Return the records of a file that are not forgotten by now; none of a file that is missing or unreadable."""
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return ()
    entries = document.get("records") if isinstance(document, dict) and document.get("version") == _VERSION else None
    return tuple(record for record in records_from_json(entries) if record.is_kept(now))


def records_from_json(entries: Any) -> tuple[TierRecord, ...]:
    """Return the records of a list of JSON objects; an entry of another form is left out."""
    records = map(_record, entries if isinstance(entries, list) else ())
    return tuple(record for record in records if record is not None)


def serialise_records(records: Iterable[TierRecord]) -> bytes:
    """Return the bytes of the file: the newest records, `MOST_RECORDS` at most."""
    newest = sorted(records, key=lambda record: record.at)[-MOST_RECORDS:]
    return json.dumps({"version": _VERSION, "records": [record.to_json() for record in newest]}).encode() + b"\n"


def _record(entry: Any) -> TierRecord | None:
    if not isinstance(entry, dict):
        return None
    upstream, model, tier, echoes = (entry.get(name) for name in ("upstream_base", "model", "tier", "echoes"))
    numbers = [entry.get(name) for name in ("since", "at", "answers")]
    if not isinstance(upstream, str) or not isinstance(tier, str) or not (model is None or isinstance(model, str)):
        return None
    if not isinstance(echoes, dict) or not all(map(_is_number, (*numbers, *echoes.values()))):
        return None
    return TierRecord(
        upstream_base=upstream,
        model=model,
        tier=tier,
        since=float(entry["since"]),
        at=float(entry["at"]),
        refused=entry.get("refused") is True,
        answers=int(entry["answers"]),
        echoes=echoes,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST  # nor NaN
