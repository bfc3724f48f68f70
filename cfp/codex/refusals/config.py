"""The forms of config.toml with which Codex refuses to start.

Only the keys that routes and hooks rest on are read here, and the closed sets that users set most. The real Codex
confirms each in tests/codex/test_refusals.py (0.171).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cfp.codex.refusals.hooks import hooks_flaw

PROFILE_REFUSED_SINCE: Final = (0, 140)  # before, `profile = "x"` selected the table [profiles.x]
BUILT_IN_IDS: Final = frozenset({"openai", "ollama", "lmstudio", "amazon-bedrock", "amazon-bedrock-runtime", "gcp"})
_NOT_TO_BE_DEFINED: Final = ("openai", "ollama", "lmstudio")

_CLOSED: Final[Mapping[str, tuple[str, ...]]] = {
    "approval_policy": ("untrusted", "on-failure", "on-request", "never"),
    "sandbox_mode": ("read-only", "workspace-write", "danger-full-access"),
    "model_reasoning_summary": ("auto", "concise", "detailed", "none"),
    "model_verbosity": ("low", "medium", "high"),
    "cli_auth_credentials_store": ("file", "keyring", "auto", "ephemeral"),
    "mcp_oauth_credentials_store": ("auto", "file", "keyring"),
    "forced_login_method": ("chatgpt", "api"),
}
_TABLES: Final = ("model_providers", "features", "profiles", "hooks", "mcp_servers", "projects")
_TEXTS: Final = (
    *("model", "model_provider", "openai_base_url", "chatgpt_base_url", "service_tier", "model_reasoning_effort"),
)
_PROVIDER_TEXTS: Final = ("name", "base_url", "env_key", "experimental_bearer_token", "model_catalog_url")
_PROVIDER_TABLES: Final = ("http_headers", "env_http_headers", "query_params", "auth")
_PROVIDER_FLAGS: Final = ("requires_openai_auth", "supports_websockets")


def config_flaw(doc: Mapping[str, Any], *, version: tuple[int, ...] | None = None) -> str:
    """Return the first flaw with which Codex refuses this config, in a clause without values of keys; "" for none.

    version  of Codex; None counts as the newest
    """
    return next(_flaws(doc, version), "")


def selected_profile(doc: Mapping[str, Any], version: tuple[int, ...] | None) -> Mapping[str, Any] | None:
    """Return the table that `profile` selects in a Codex that still reads it; None for any other."""
    name, tables = doc.get("profile"), _table(doc, "profiles")
    if version is None or version >= PROFILE_REFUSED_SINCE or not isinstance(name, str):
        return None
    return _table(tables, name)


def undefined_provider(doc: Mapping[str, Any], *lower: Mapping[str, Any]) -> str | None:
    """Return the provider that `model_provider` names and no table defines; None where it is defined.

    lower  other files that define providers
    """
    name = doc.get("model_provider")
    defined = BUILT_IN_IDS.union(*(_table(each, "model_providers") for each in (doc, *lower)))
    return name if isinstance(name, str) and name not in defined else None


def _flaws(doc: Mapping[str, Any], version: tuple[int, ...] | None) -> Iterator[str]:
    for name in _TABLES:
        if not isinstance(doc.get(name, {}), Mapping):
            yield f"{name} must be a table"
    for name in _TEXTS:
        if not isinstance(doc.get(name, ""), str):
            yield f"{name} must be a text"
    for name, choices in _CLOSED.items():
        value = doc.get(name, choices[0])
        if value not in choices and not (name == "approval_policy" and isinstance(value, Mapping)):
            yield f"{name} must be one of {', '.join(choices)}"
    if "profile" in doc and (version is None or version >= PROFILE_REFUSED_SINCE):
        yield "profile is no longer supported: `--profile NAME` reads NAME.config.toml instead"
    yield from _provider_flaws(_table(doc, "model_providers"))
    yield from _switch_flaws("features", _table(doc, "features"))
    yield from _state_flaws(_table(_table(doc, "hooks"), "state"))
    if flaw := hooks_flaw(doc.get("hooks")):
        yield f"hooks.{flaw}"


def _provider_flaws(tables: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in tables.items():
        place = f"model_providers.{name}"
        if name in _NOT_TO_BE_DEFINED:
            yield f"Codex reserves the id {name}, so a table [{place}] must have another name"
        elif not isinstance(entry, Mapping):
            yield f"{place} must be a table"
        else:
            yield from _entry_flaws(place, entry, built_in=name in BUILT_IN_IDS)


def _entry_flaws(place: str, entry: Mapping[str, Any], *, built_in: bool) -> Iterator[str]:
    yield from (f"{place}.{key} must be a text" for key in _PROVIDER_TEXTS if not isinstance(entry.get(key, ""), str))
    yield from (
        f"{place}.{key} must be a table" for key in _PROVIDER_TABLES if not isinstance(entry.get(key, {}), Mapping)
    )
    yield from _switch_flaws(place, {key: entry[key] for key in _PROVIDER_FLAGS if key in entry})
    if not built_in and not str(entry.get("name", "")).strip():
        yield f"{place} has no name"
    if entry.get("wire_api", "responses") != "responses":
        yield f'{place}.wire_api must be "responses"'
    if "auth" in entry and "env_key" in entry:
        yield f"{place} has auth and env_key, of which Codex takes one"


def _state_flaws(state: Mapping[str, Any]) -> Iterator[str]:
    for entry in state.values():
        if not isinstance(entry, Mapping):
            yield "each entry of hooks.state must be a table"
            continue
        if not isinstance(entry.get("trusted_hash", ""), str):
            yield "trusted_hash of a hook must be a text"
        if not isinstance(entry.get("enabled", True), bool):
            yield "enabled of a hook must be true or false"


def _switch_flaws(place: str, switches: Mapping[str, Any]) -> Iterator[str]:
    """Yield each switch that is neither true nor false; a feature may also be a table of its own."""
    for name, value in switches.items():
        if not isinstance(value, bool | Mapping) or (isinstance(value, Mapping) and place != "features"):
            yield f"{place}.{name} must be true or false"


def _table(doc: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = doc.get(name)
    return value if isinstance(value, Mapping) else {}
