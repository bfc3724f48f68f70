"""The page of `uninstall`: what was given back, what was left, and what is still to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import RenderableType

from cfp.views.page import GOOD, WARN, headline, next_step, rows, warnings

# fmt: off
_CONFIG: Final = {
    "restored":                  "every byte is as it was before",
    "restored_base_url":         "our keys are given back; what others changed stays",
    "already_restored":          "was as before already",
    "already_restored_base_url": "did not point at the proxy any more",
    "skipped_config_changed":    "left alone: others changed a key of ours",
    "no_manifest":               "nothing was recorded to give back",
    "not_attempted":             "not touched",
}
_HOOK: Final = {
    "removed_file":   "removed, with the file that held nothing else",
    "updated":        "removed; the others stay",
    "tombstone_left": "removed; an empty group keeps the places of the hooks behind it",
    "missing":        "there was none",
    "unchanged":      "not touched",
    "error":          "could not be removed",
}
_PROXY: Final = {
    "stopped":       "stopped",
    "not_running":   "was not running",
    "deferred":      "still serves the sessions that run",
    "not_attempted": "not touched",
}
# fmt: on


def uninstall(answer: Mapping[str, Any]) -> list[RenderableType]:
    """One row for each thing that an installation consists of."""
    asked = answer["status"] == "confirmation_required"
    warning = answer.get("direct_upstream_auth_warning") or {}
    clean = not asked and not answer.get("conflicts") and not warning
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
                ("left alone", ", ".join(answer.get("conflicts") or ())),
                ("cut", f"{cut} running answers" if cut else None),
            ]
        ),
        *(warnings([warning["message"]]) if warning and not asked else []),
        *next_step(answer),
    ]
