"""What every mutating command does first, and says afterwards, about an interrupted one."""

from __future__ import annotations

from typing import Any

from cfp.host.machine import LOCK_TIMEOUT_S, Host
from cfp.lifecycle.session import locked, translated
from journal import Recovery


def settle(host: Host, command: str) -> dict[str, Any]:
    """Settle interrupted transactions before anything is looked at; return the fields that say so."""
    with translated():
        hot = host.journal.hot()
    if not hot:
        return {}
    with locked(host.journal, command, LOCK_TIMEOUT_S) as (_, recovery):
        return {"recovered": recovery_fields(recovery)}


def recovery_fields(recovery: Recovery | None) -> dict[str, Any]:
    """A recovery as JSON."""
    if recovery is None:
        return {"kind": "clean"}
    return {
        "kind": recovery.kind,
        "transactions": list(recovery.transactions),
        "conflicts": [".".join(path) for path in recovery.conflicts],
        "workers": list(recovery.workers),
    }
