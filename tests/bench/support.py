"""A provider that is as fast as the tier asked for, and the machine that a benchmark runs on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cfp.bench.sample import Sample
from cfp.bench.timed_request import TimedRequest
from cfp.bench.workload import Tier, Trial
from cfp.demo.provider import DemoProvider
from cfp.demo.scripted_turns import Reply


class TieredUpstream(DemoProvider):
    """Answers by the service_tier of the request; one turn at a time."""

    def __init__(self, *, key: str | None = None, default: Reply, priority: Reply) -> None:
        super().__init__(key=key, default=default)
        self.priority = priority

    def next_reply(self) -> Reply:
        service_tier = self.turns[-1].json().get("service_tier")
        return self.priority if service_tier == "priority" else self.default

    @property
    def tiers(self) -> list[str | None]:
        """Return the service tier of each request, in order of arrival."""
        return [trial.json().get("service_tier") for trial in self.turns]


def a_sample(pair: int, tier: Tier, total_ms: float | None = 100.0, **more: Any) -> Sample:
    """One sample as a benchmark would take it."""
    sent = tier.value_sent("priority")
    how: dict[str, Any] = {"status": 200, "request_service_tier": sent, "requests": 1, "output_chars": 10, **more}
    return Sample(pair=pair, place=1, tier=tier, total_ms=total_ms, **how)


def a_timed_request(**more: Any) -> TimedRequest:
    """A timed request that began at second 100 and reports to nobody."""
    how: dict[str, Any] = {
        "began": 100.0,
        "tier_requested": None,
        "tier_sent": None,
        "report": lambda _: None,
        **more,
    }
    return TimedRequest(**how)


def sse(*events: Mapping[str, Any]) -> bytes:
    """An event stream of these events."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


FIRST = Trial(pair=1, place=1, tier=Tier.DEFAULT)
