"""The verdict on a provider's treatment of a tier, by the evidence there is. Pure.

Status, dashboard, doctor, install, verification and benchmark use this one function.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cfp.core.tiers.records import TierRecord
from cfp.messages.status import TIER_VERDICTS, TierVerdictCode

# Answers that name another tier before the tier counts as ignored: one may be a downgrade of a busy moment.
_ENOUGH: Final = 3


class TierVerdict(enum.StrEnum):
    """The provider's treatment of a tier; a closed set of the results."""

    SERVED = "served"  # it makes requests faster, or answers name it and at times another
    IGNORED = "ignored"  # it makes no request faster, or no answer names it
    REFUSED = "refused"  # requests with it fail, and succeed without
    ECHO_UNINFORMATIVE = "echo_uninformative"  # every answer repeats it, which a provider can do that does nothing
    UNKNOWN = "unknown"


_VERDICTS: Final[dict[TierVerdictCode, TierVerdict]] = {
    "served_measured": TierVerdict.SERVED,
    "served_named": TierVerdict.SERVED,
    "ignored_measured": TierVerdict.IGNORED,
    "ignored_named": TierVerdict.IGNORED,
    "refused": TierVerdict.REFUSED,
    "echo_uninformative": TierVerdict.ECHO_UNINFORMATIVE,
    "unknown": TierVerdict.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The outcome of a full benchmark that could decide; `at` in seconds since the epoch."""

    upstream_base: str
    model: str | None
    tier: str
    at: float
    faster: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TierJudgement:
    """A verdict about one model and tier; `at` is its last evidence in seconds since the epoch, None without any."""

    model: str | None
    tier: str
    code: TierVerdictCode
    at: float | None
    record: TierRecord | None

    @property
    def verdict(self) -> TierVerdict:
        return _VERDICTS[self.code]

    @property
    def message(self) -> str:
        """The verdict in a sentence."""
        answers = 0 if self.record is None else sum(self.record.echoes.values())
        details = {
            "model": self.model or "Requests without a model",
            "tier": self.tier,
            "named": 0 if self.record is None else self.record.named,
            "answers": answers,
            "others": [] if self.record is None else [name for name in self.record.echoes if name != self.tier],
        }
        return TIER_VERDICTS[self.code].filled(details).sentence

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "tier": self.tier,
            "verdict": self.verdict,
            "code": self.code,
            "at": None if self.at is None else datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "answers": 0 if self.record is None else self.record.answers,
            "echoes": {} if self.record is None else dict(self.record.echoes),
            "message": self.message,
        }


def judge_tier(
    model: str | None, tier: str, record: TierRecord | None, measurement: Measurement | None = None
) -> TierJudgement:
    """Judge by the newer of a refusal and a measurement; without either, by the names in the answers.

    record       the evidence of ordinary requests for this model with this tier
    measurement  the newest full benchmark of it that could decide
    """
    refused = record is not None and record.refused
    if measurement is not None and not (refused and record is not None and record.at > measurement.at):
        code: TierVerdictCode = "served_measured" if measurement.faster else "ignored_measured"
        return TierJudgement(model=model, tier=tier, code=code, at=measurement.at, record=record)
    code = "unknown" if record is None else _by_answers(record)
    return TierJudgement(model=model, tier=tier, code=code, at=None if record is None else record.at, record=record)


def _by_answers(record: TierRecord) -> TierVerdictCode:
    if record.refused:
        return "refused"
    if record.named:
        # An answer that only repeats the request never names another tier.
        return "served_named" if record.named_another else "echo_uninformative"
    return "ignored_named" if record.named_another >= _ENOUGH else "unknown"
