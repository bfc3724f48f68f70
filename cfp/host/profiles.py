"""The profile files of a home, which Codex layers over config.toml with `-p NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfp.codex import config_toml
from cfp.codex.text import Unparseable
from cfp.host.disk import Disk
from cfp.layout import Layout


def read_profiles(layout: Layout, disk: Disk) -> Mapping[str, Mapping[str, Any]]:
    """Return each by the name of its file; one that is no TOML is left out."""
    docs = {}
    for name in sorted(disk.names(layout.home)):
        if layout.is_profile(name):
            try:
                docs[name] = config_toml.parse(disk.read(layout.home / name))
            except Unparseable:
                continue
    return docs
