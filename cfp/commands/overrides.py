"""The flags by which Codex sends one session elsewhere; config.toml stays as it is."""

from __future__ import annotations

import json

from cfp.core.plan.model_catalog import catalog_key
from cfp.core.provider import Target


def overrides(target: Target, base_url: str, catalog: str | None) -> list[str]:
    """Return Codex's `-c` flags for a provider's URL, and for its model catalogue where it has one."""
    url = _toml(base_url)
    if target.built_in:
        words = ["-c", f"openai_base_url={url}"]
    else:
        more = "" if catalog is None else f",{catalog_key(target.provider)[-1]}={_toml(catalog)}"
        words = ["-c", f"model_providers={{{_toml(target.provider)}={{base_url={url}{more}}}}}"]
    return words if target.active else ["-c", f"model_provider={_toml(target.provider)}", *words]


def _toml(text: str) -> str:
    """Return a TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
