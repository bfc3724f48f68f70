"""The flags in config.toml that let Codex run hooks: `features.hooks`, and its older name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from journal.values import KeyPath

FLAG: Final[KeyPath] = ("features", "hooks")
OLD_FLAG: Final[KeyPath] = ("features", "codex_hooks")  # the name before Codex 0.130, which warns about it
FLAGS: Final = (FLAG, OLD_FLAG)
RENAMED_IN: Final = (0, 130)


def hook_flags(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that config.toml sets, by their names in the table `features`."""
    features = doc.get("features")
    table = features if isinstance(features, Mapping) else {}
    return {name: table[name] for _, name in FLAGS if name in table}


def hooks_enabled(doc: Mapping[str, Any]) -> bool:
    """Whether Codex runs hooks: by the newer flag, else by the older one, else it does (Codex 0.130 to 0.171)."""
    flags = hook_flags(doc)
    return next((flags[name] for _, name in FLAGS if isinstance(flags.get(name), bool)), True)
