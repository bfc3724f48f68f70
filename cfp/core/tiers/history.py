"""The results of earlier benchmarks, without their samples: bounded, the newest last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from cfp.core.tiers.names import canonical, is_fast
from cfp.core.tiers.records import KEPT_SECONDS
from cfp.core.tiers.verdict import Measurement

MOST_RUNS: Final = 50
_VERSION: Final = 1
_FIELDS: Final = (
    *("ts", "provider", "upstream_base", "model", "reasoning_effort", "service_tier", "profile", "benchmark_mode"),
    *("pairs", "verdict", "observed_speedup_total", "confidence_interval", "priority_accepted", "tokens"),
)
_DECIDED: Final = {"faster": True, "no_effect": False, "slower": False}

Run = Mapping[str, Any]


def parse_history(data: bytes | None) -> tuple[Run, ...]:
    """Return the runs of a file; none of a file that is missing or unreadable."""
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return ()
    runs = document.get("runs") if isinstance(document, dict) and document.get("version") == _VERSION else None
    return tuple(run for run in runs if isinstance(run, dict)) if isinstance(runs, list) else ()


def serialise_history(runs: Sequence[Run], newest: Run) -> bytes:
    """Return the bytes of the file with one more run, a result of `benchmark`; the oldest beyond the limit go."""
    kept = [*runs, {name: newest.get(name) for name in _FIELDS}][-MOST_RUNS:]
    return json.dumps({"version": _VERSION, "runs": kept}, indent=1).encode() + b"\n"


def measurements(runs: Sequence[Run], now: float) -> tuple[Measurement, ...]:
    """Return the full runs of the last week that could decide, the newest last; `now` in seconds since the epoch."""
    decided = (_measurement(run) for run in runs)
    return tuple(one for one in decided if one is not None and one.at <= now < one.at + KEPT_SECONDS)


def _measurement(run: Run) -> Measurement | None:
    faster, model, tier = _DECIDED.get(str(run.get("verdict"))), run.get("model"), run.get("service_tier")
    if faster is None or run.get("profile") != "full" or not isinstance(model, str) or not isinstance(tier, str):
        return None
    if not is_fast(tier):  # slower is no verdict on a tier that is meant to be cheaper
        return None
    try:
        at = datetime.fromisoformat(str(run.get("ts"))).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return Measurement(
        upstream_base=str(run.get("upstream_base")), model=model, tier=canonical(tier), at=at, faster=faster
    )
