"""Requests in columns, one line each, in the words of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cfp.core.traffic.models import is_same_model
from cfp.views.page import duration, local_time, plain

# fmt: off
_COLUMNS: Final = (
    #  name          width   to the right
    ("time",         8,      False),
    ("status",       6,      True),
    ("tier sent",    16,     False),
    ("echoed",       9,      False),
    ("first byte",   10,     True),
    ("duration",     10,     True),
    ("tokens out",   10,     True),
    ("request",      0,      False),
)
# fmt: on


def header() -> str:
    return _line([name for name, _, _ in _COLUMNS])


def columns(row: Mapping[str, Any]) -> str:
    """Return the line of one request; `row` has the fields of the request log, any of which may be missing."""
    tier = row.get("service_tier_after")
    added = " (added)" if row.get("service_tier_injected") else ""
    usage = row.get("usage")
    ending = row.get("ending")
    words = (
        *(_model(row), row.get("method"), row.get("path")),
        *(None if ending == "completed" else ending, row.get("error_type"), row.get("upstream_error_code")),
    )
    return _line(
        [
            local_time(row.get("ts"), "%H:%M:%S") or "-",
            str(row.get("status") or "-"),
            f"{tier}{added}" if tier else "-",
            str(row.get("response_service_tier") or "-"),
            duration(row.get("first_byte_ms")),
            duration(row.get("duration_ms")),
            str((usage.get("output_tokens") if isinstance(usage, Mapping) else None) or "-"),
            " ".join(str(word) for word in words if word),
        ]
    )


def _model(row: Mapping[str, Any]) -> str | None:
    """Return the requested model, and the one that the response names where that is another."""
    model, named = row.get("model"), row.get("response_model")
    if not isinstance(model, str) or not isinstance(named, str) or is_same_model(model, named):
        return model
    return f"{model} (answered as {named})"


def _line(cells: list[str]) -> str:
    texts = (
        plain(cell).rjust(width) if right else plain(cell).ljust(width)
        for cell, (_, width, right) in zip(cells, _COLUMNS, strict=True)
    )
    return "  ".join(texts).rstrip()
