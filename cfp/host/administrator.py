"""The administrator's files of Codex, which count besides those of a home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfp.codex.toml_reader import loads
from cfp.core.facts import SystemFiles
from cfp.layout import SYSTEM, SystemLayout


def read_system_files(layout: SystemLayout = SYSTEM) -> SystemFiles:
    """Read them; one that is missing, unreadable or no TOML counts as empty."""
    return SystemFiles(
        layout=layout,
        config=_doc(layout.config),
        managed=_doc(layout.managed),
        requirements=_doc(layout.requirements),
    )


def _doc(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        return loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
