"""The page of `uninstall`: what was restored, what was not changed, and the next action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType

from cfp.views.page import GOOD, WARN, headline, rows, warnings

# fmt: off
_CONFIG: Final = {
    "restored":                  "restored, byte for byte",
    "restored_base_url":         "the proxy's keys are restored; other changes stay",
    "already_restored":          "was restored before",
    "already_restored_base_url": "no longer pointed at the proxy",
    "skipped_config_changed":    "not changed: another program or a person changed a key of the proxy",
    "no_manifest":               "not changed: there is no record of the installation",
    "not_attempted":             "not changed",
}
_HOOK: Final = {
    "removed_file":   "removed, with hooks.json, which had nothing else",
    "updated":        "removed; other hooks stay",
    "tombstone_left": "removed; an empty group stays, so that later hooks keep their positions",
    "missing":        "there was no hook",
    "unchanged":      "not changed",
    "error":          "could not be removed",
}
_PROXY: Final = {
    "stopped":       "stopped",
    "not_running":   "was not running",
    "deferred":      "keeps running for current sessions",
    "not_attempted": "not changed",
}
# fmt: on


def uninstall(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return one row for each part of an installation."""
    unconfirmed = answer["status"] == "confirmation_required"
    warning = answer.get("direct_upstream_auth_warning") or {}
    clean = not unconfirmed and not answer.get("conflicts") and not warning
    cut = answer.get("cut_streams") or 0
    return [
        headline(GOOD if clean else WARN, str(answer["status"]).replace("_", " "), str(answer.get("message", ""))),
        rows(
            [
                ("config", _CONFIG.get(str(answer["config_restore"]))),
                ("hook", _HOOK.get(str(answer["startup_hook"]["status"]))),
                ("proxy", _PROXY.get(str(answer["stop_result"]["status"]))),
                ("state", "removed" if answer["files"] == "removed" else "kept"),
                ("backup", answer.get("backup_path")),
                ("not changed", ", ".join(answer.get("conflicts") or ())),
                ("cut", f"{cut} running responses" if cut else None),
            ]
        ),
        *(warnings([warning["message"]]) if warning and not unconfirmed else []),
    ]
