"""The reasons for which Codex does not load config.toml or hooks.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cfp.codex.refusals.config import config_flaw, undefined_provider
from cfp.codex.refusals.hooks import hooks_flaw
from cfp.core.facts import Facts
from cfp.core.provider import BUILT_IN, providers
from cfp.errors import Refused


def config_refusal(facts: Facts) -> str:
    """Return the reason that Codex refuses its configuration; "" where it takes it, or where that is no TOML."""
    if facts.config.is_unparseable:
        return ""
    if facts.codex is not None:
        return facts.codex.refusal
    flaw = config_flaw(facts.codex_config, version=facts.codex_version)
    if not flaw and (name := undefined_selection(facts)) is not None:
        flaw = f"model_provider is {name}, and no table [model_providers.{name}] defines it"
    return f"{facts.layout.config}: {flaw}" if flaw else ""


def undefined_selection(facts: Facts) -> str | None:
    """Return the provider that config.toml selects and no file defines; None for a selection that Codex takes."""
    if facts.codex is not None and not facts.codex.refusal:
        return None
    return undefined_provider(facts.codex_config, facts.system.managed)


def hooks_refusal(facts: Facts) -> str:
    """Return the reason that Codex drops every hook of hooks.json; "" where it reads the file."""
    if facts.codex is not None and not facts.codex.refusal:
        return next((reason for path, reason in facts.codex.dropped_hooks if Path(path) == facts.layout.hooks), "")
    return facts.hooks.error or hooks_flaw(facts.hooks.root.get("hooks"))


def check_loading(facts: Facts, *, activated: str | None = None) -> None:
    """Refuse a home that Codex does not load; raises Refused.

    activated  the provider that the command makes Codex's own, by which a selection that no file defines goes
    """
    refusal, undefined = config_refusal(facts), undefined_selection(facts)
    if refusal and undefined is not None:
        if activated is None:
            raise Refused("provider_undefined", **selection_details(facts, undefined))
        flaw = config_flaw(facts.codex_config, version=facts.codex_version)
        refusal = f"{facts.layout.config}: {flaw}" if flaw else ""
    if refusal:
        raise Refused("config_refused", reason=refusal)
    if reason := hooks_refusal(facts):
        raise Refused("hooks_unparseable", path=str(facts.layout.hooks), reason=reason)


def selection_details(facts: Facts, provider: str) -> dict[str, Any]:
    """Return the values of the message `provider_undefined`."""
    return {"provider": provider, "choices": [*sorted(providers(facts.codex_config)), BUILT_IN]}
