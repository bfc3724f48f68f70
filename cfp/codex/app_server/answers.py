"""Codex's own word on a home: whether it loads the configuration, its hooks, and the settings in force."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_DROPPED_FILE: Final = re.compile(r"failed to parse hooks config (?P<path>.*?): (?P<reason>.*)", re.DOTALL)
# Codex quotes a value of the wrong type or outside of a closed set, which can be a key in the wrong place.
_QUOTED_VALUE: Final = re.compile(r'(?P<kind>invalid (?:type|value): )string "(?:[^"\\]|\\.)*"')
_QUOTED_VARIANT: Final = re.compile(r"unknown variant `[^`]{25,}`")
_LONGEST: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEntry:
    """One hook as `hooks/list` reports it. `trust_status`: trusted, untrusted, modified or managed."""

    key: str
    event: str
    command: str | None
    enabled: bool
    current_hash: str
    trust_status: str
    source_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksListing:
    """All hooks of a session in one folder, and the warnings and errors about files that Codex skipped."""

    hooks: tuple[HookEntry, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value in force, and the place that sets it.

    origin  the file, or the kind of a place that is none; "" for Codex itself
    layer   user, system, project, requirements, or another word of Codex's for the layer; "" for Codex itself
    """

    value: Any
    origin: str = ""
    layer: str = ""

    @property
    def is_managed(self) -> bool:
        """Whether only an administrator can change it."""
        return self.layer not in {"", "user", "system", "project", "sessionFlags"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexAnswers:
    """Codex's word on one home.

    version        of this Codex; None where it did not say
    refusal        the reason that it does not load the configuration, in its own words; "" where it does
    dropped_hooks  path and reason of each hooks file that it drops
    hooks          the hooks of a session there; none where it refuses the configuration, or hooks are off
    provider       the provider in force
    base_url       its URL; the value None where Codex has one of its own
    service_tier   the tier in force
    hooks_feature  `features.hooks`; None where nothing sets it
    barred_hooks   the administrator's requirement for which users' hooks do not run; "" for none
    pinned         keys that a requirement sets
    """

    version: tuple[int, ...] | None = None
    refusal: str = ""
    dropped_hooks: tuple[tuple[str, str], ...] = ()
    hooks: tuple[HookEntry, ...] = ()
    provider: Setting | None = None
    base_url: Setting | None = None
    service_tier: Setting | None = None
    hooks_feature: Setting | None = None
    barred_hooks: str = ""
    pinned: frozenset[str] = frozenset()


def parse_listing(result: Mapping[str, Any]) -> HooksListing:
    """Read the result of `hooks/list` for one folder; raises KeyError, TypeError or ValueError."""
    (listing,) = result["data"]
    return HooksListing(
        hooks=tuple(map(_hook_entry, listing["hooks"])),
        warnings=tuple(_without_values(str(text)) for text in listing["warnings"]),
        errors=tuple(_without_values(_text_of(error)) for error in listing["errors"]),
    )


def parse_answers(
    listing: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    requirements: Mapping[str, Any] | None,
    version: tuple[int, ...] | None,
) -> CodexAnswers:
    """Read the results of `hooks/list`, `config/read` and `configRequirements/read`.

    config, requirements  None where Codex gave an error; an error in the listing alone is no refusal of the config

    Raises KeyError, TypeError or ValueError.
    """
    listed = parse_listing(listing)
    drops = (_DROPPED_FILE.fullmatch(text) for text in listed.warnings)
    required = (requirements or {}).get("requirements") or {}
    values, origins = (config or {}).get("config") or {}, (config or {}).get("origins") or {}
    pinned = frozenset({"model_provider"} if required.get("modelProvider") is not None else ())
    provider = _setting(values, origins, "model_provider")
    if provider is not None and "model_provider" in pinned:
        provider = Setting(value=provider.value, origin="requirements.toml", layer="requirements")
    return CodexAnswers(
        version=version,
        refusal=" ".join(listed.errors) if config is None else "",
        dropped_hooks=tuple((drop["path"], drop["reason"]) for drop in drops if drop is not None),
        hooks=listed.hooks,
        provider=provider,
        base_url=_base_url(values, origins, "openai" if provider is None else str(provider.value)),
        service_tier=_setting(values, origins, "service_tier"),
        hooks_feature=_setting(values, origins, "features.hooks"),
        barred_hooks=_barred(required),
        pinned=pinned,
    )


def _base_url(values: Mapping[str, Any], origins: Mapping[str, Any], provider: str) -> Setting | None:
    key = "openai_base_url" if provider == "openai" else f"model_providers.{provider}.base_url"
    return _setting(values, origins, key)


def _setting(values: Mapping[str, Any], origins: Mapping[str, Any], key: str) -> Setting | None:
    """Return the value at a dotted key; a provider's id may have a dot itself."""
    head, _, rest = key.partition(".")
    middle, _, leaf = rest.rpartition(".")
    value: Any = values
    for name in (head, *((middle,) if middle else ()), *((leaf,) if rest else ())):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return None
    name = (origins.get(key) or {}).get("name") or {}
    layer = str(name.get("type") or "")
    return Setting(value=value, origin=str(name.get("file") or name.get("dotCodexFolder") or layer), layer=layer)


def _barred(required: Mapping[str, Any]) -> str:
    if required.get("allowManagedHooksOnly") is True:
        return "allow_managed_hooks_only = true"
    features = required.get("featureRequirements") or {}
    return "features.hooks = false" if features.get("hooks") is False else ""


def _hook_entry(raw: Mapping[str, Any]) -> HookEntry:
    return HookEntry(
        key=raw["key"],
        event=raw["eventName"],
        command=raw.get("command"),
        enabled=raw["enabled"],
        current_hash=raw["currentHash"],
        trust_status=raw["trustStatus"],
        source_path=raw["sourcePath"],
    )


def _text_of(error: Any) -> str:
    return str(error["message"]) if isinstance(error, Mapping) else str(error)


def _without_values(text: str) -> str:
    """Return Codex's sentence in one line, without the values of keys that it quotes."""
    text = _QUOTED_VALUE.sub(r"\g<kind>a string", " ".join(text.split()))
    return _QUOTED_VARIANT.sub("unknown variant", text)[:_LONGEST].removesuffix(".")
