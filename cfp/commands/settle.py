"""Shared by the mutating commands: interrupted transactions are settled first, and lost records are mended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cfp.core.facts import Facts
from cfp.core.plan.repair import Repair
from cfp.core.settings import Settings
from cfp.core.state import state_of
from cfp.host.home import LOCK_TIMEOUT_S, Host
from cfp.host.system.files.privacy import close_to_others
from cfp.lifecycle.effects import Switch
from cfp.lifecycle.session import locked, transact, translated
from cfp.lifecycle.tables import GIVE_BACK
from journal import Lease, Recovery


def settle(host: Host, command: str) -> dict[str, Any]:
    """Settle interrupted transactions before the home is surveyed; return the result's fields about them.

    Files that an earlier version left open to others become private.
    """
    close_to_others(host.layout.own_folders)
    with translated():
        interrupted = host.journal.interrupted()
    if not interrupted:
        return {}
    with locked(host.journal, command, LOCK_TIMEOUT_S, host.waiting) as (_, recovery):
        return recovered_field(recovery)


def switch_for(
    host: Host, lease: Lease, facts: Facts, settings: Settings, *, verbose: bool = False, prune: Sequence[Path] = ()
) -> Switch:
    """Return the subject of a run that may touch the worker: the settings to serve, and the worker that runs now."""
    return Switch(
        lease=lease,
        layout=host.layout,
        workers=host.workers,
        settings=settings,
        previous=facts.running_worker,
        verbose=verbose,
        prune=prune,
    )


def mend(host: Host, lease: Lease, facts: Facts, repair: Repair, *, command: str) -> None:
    """Give back a config that points at a proxy without a record; no transaction knows of it."""
    state = state_of(facts)
    switch = Switch(lease=lease, layout=host.layout, workers=host.workers)
    transact(switch, GIVE_BACK, command=command, argv=(command,), states=(state, state), changes=repair.changes)


def recovered_field(recovery: Recovery | None) -> dict[str, Any]:
    """Return the result's field about the recovery at the lock; no field where nothing was interrupted."""
    if recovery is None or recovery.kind == "clean":
        return {}
    return {"recovered": recovery_fields(recovery)}


def recovery_fields(recovery: Recovery | None) -> dict[str, Any]:
    """Return a recovery as JSON."""
    if recovery is None:
        return {"kind": "clean"}
    return {
        "kind": recovery.kind,
        "transactions": list(recovery.transactions),
        "conflicts": [".".join(path) for path in recovery.conflicts],
        "workers": list(recovery.workers),
    }
