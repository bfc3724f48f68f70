"""The keys of a provider's table by which Codex itself sends the provider's key, also signed in with ChatGPT.

`env_key` names the variable that has the key, and `requires_openai_auth` lets the App stay signed in with that
provider. A request then has the provider's key, and neither token nor account id (measured with Codex 0.130 to 0.171
by tests/end_to_end/test_codex_key.py), so that the proxy keeps no copy. Where an install writes them, they are keys
of ours in config.toml: recorded in the manifest, kept by a further install, and given back with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.identities import ProviderAuth, provider_auth
from cfp.core.provider import BUILT_IN, env_key
from cfp.core.settings import is_variable
from cfp.errors import Refused
from journal.values import ABSENT, KeyPath

_ENV_KEY: Final = "env_key"
_SIGNED_IN: Final = "requires_openai_auth"
_SETTABLE: Final = frozenset({ProviderAuth.ENV_KEY, ProviderAuth.ENV_KEY_UNSET, ProviderAuth.NONE})


def codex_keys(doc: Mapping[str, Any], provider: str, variable: str | None) -> tuple[tuple[KeyPath, Any], ...]:
    """Return our keys with their values, none for `variable` None; one that has its value already is the user's.

    doc  config.toml without our changes
    Raises Refused: invalid_env_name, codex_key_not_settable.
    """
    if variable is None:
        return ()
    if not is_variable(variable):
        raise Refused("invalid_env_name")
    if not may_set(doc, provider):
        built_in = provider == BUILT_IN
        reason = "the built-in provider has no table" if built_in else "its table has a key of another kind already"
        raise Refused("codex_key_not_settable", provider=provider, reason=reason)
    keys = ((_path(provider, _ENV_KEY), variable), (_path(provider, _SIGNED_IN), True))
    return tuple((path, value) for path, value in keys if config_toml.lookup(doc, path) != value)


def may_set(doc: Mapping[str, Any], provider: str) -> bool:
    """Whether the provider has a table, and no key in it that Codex refuses or prefers to a variable's."""
    return provider != BUILT_IN and provider_auth(doc, provider, frozenset()) in _SETTABLE


def kept_variable(facts: Facts, doc: Mapping[str, Any], provider: str) -> str | None:
    """Return the variable of an earlier install's keys; None where that wrote none. `doc` is without our changes."""
    edits = facts.manifest.config.edits if facts.manifest is not None and facts.is_installed else None
    ours = {edit.path: edit.after for edit in edits or () if edit.after is not ABSENT}
    if _path(provider, _ENV_KEY) in ours:
        return str(ours[_path(provider, _ENV_KEY)])
    return env_key(doc, provider) if _path(provider, _SIGNED_IN) in ours else None


def with_keys(facts: Facts, provider: str, keys: tuple[tuple[KeyPath, Any], ...], doc: Mapping[str, Any]) -> Facts:
    """Return the facts as they will be once the provider's table has these keys of ours; `doc` is without any."""
    values: dict[str, Any] = {name: config_toml.lookup(doc, _path(provider, name)) for name in (_ENV_KEY, _SIGNED_IN)}
    values |= {path[-1]: value for path, value in keys}
    root = dict(facts.config.root)
    tables = dict(root.get("model_providers", {}))
    table = {name: value for name, value in tables.get(provider, {}).items() if name not in values}
    tables[provider] = {**table, **{name: value for name, value in values.items() if value is not ABSENT}}
    return replace(facts, config=replace(facts.config, doc={**root, "model_providers": tables}))


def _path(provider: str, name: str) -> KeyPath:
    return ("model_providers", provider, name)
