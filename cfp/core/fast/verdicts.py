"""The verdicts on the provider's tiers in one home, for every command and the dashboard."""

from __future__ import annotations

from cfp.core.facts import Facts
from cfp.core.settings import Settings
from cfp.core.tiers.names import canonical
from cfp.core.tiers.records import Key, TierRecord, new_record
from cfp.core.tiers.verdict import Measurement, TierJudgement, TierVerdict, judge_tier


def tier_verdicts(facts: Facts, settings: Settings) -> tuple[TierJudgement, ...]:
    """Return a verdict for each model and tier at the settings' upstream of which there is evidence, in order."""
    records, measured = _records(facts, settings), _measurements(facts, settings)
    keys = sorted({*records, *measured}, key=lambda key: (key[1] or "", key[2]))
    return tuple(judge_tier(key[1], key[2], records.get(key), measured.get(key)) for key in keys)


def refused_models(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """Return the models for which the provider refuses the settings' tier; "" stands for requests without a model."""
    tier = canonical(settings.service_tier)
    verdicts = (one for one in tier_verdicts(facts, settings) if one.tier == tier)
    return tuple(one.model or "" for one in verdicts if one.verdict is TierVerdict.REFUSED)


def _records(facts: Facts, settings: Settings) -> dict[Key, TierRecord]:
    """Return the evidence of the file and, which is newer, of the running worker."""
    health = None if facts.own_worker is None else facts.own_worker.health
    of_worker = () if health is None else health.tier_records
    records = {
        record.key: record
        for record in (*facts.tier_records, *of_worker)
        if record.upstream_base == settings.upstream_base
    }
    for model in () if health is None else health.refused_models:
        now = facts.now.timestamp()
        refused = new_record(settings.upstream_base, model or None, settings.service_tier, now).with_refusal(now)
        if not records.get(refused.key, refused).refused or refused.key not in records:
            records[refused.key] = refused
    return records


def _measurements(facts: Facts, settings: Settings) -> dict[Key, Measurement]:
    return {
        (one.upstream_base, one.model, one.tier): one
        for one in facts.measurements
        if one.upstream_base == settings.upstream_base
    }
