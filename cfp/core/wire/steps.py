"""The commands that give the proxy the provider's key, by what this home has; and the words about that key."""

from __future__ import annotations

import shlex

from cfp.core.facts import Facts
from cfp.core.identities import Identity, ProviderAuth, provider_auth
from cfp.core.provider import active_provider
from cfp.core.settings import Settings
from cfp.core.state import is_enabled
from cfp.core.wire.codex_key import may_set
from cfp.core.wire.identity import codex_identity, obstacle_details
from cfp.core.wire.key import key_available, sent_key, unsendable_key
from cfp.messages.failures import KEY_REMEDIES, KEYS, OR_CODEX
from cfp.messages.identities import FLAWS, IDENTITIES


def key_details(facts: Facts, settings: Settings) -> dict[str, str]:
    """Return the values of the placeholders about the provider's key and the ways to it."""
    steps = key_steps(facts, settings.provider)
    named = {
        **steps,
        **_refused_key(facts, settings, steps),
        "variable": settings.upstream_api_key_env or "",
        "codex_variable": obstacle_details(facts, settings.provider)["variable"],
        "dotenv": str(facts.layout.dotenv),
        "instead": _instead_of_saved_key(facts, settings),
    }
    key = unsendable_key(facts, settings)
    return named if key is None else {**named, "key_place": key.place, "key_flaw": FLAWS[key.flaw]}


def key_steps(facts: Facts, provider: str) -> dict[str, str]:
    """Return what completes the commands that give the proxy a provider's key, or another URL.

    provider_flag  that of `prepare-chatgpt-login` where it would choose another provider by itself
    key_flag       that of a key which the user enters, where Codex sends none that can be copied
    or_codex       the way without a copy of the key; "" where the provider's table cannot have it
    change         the command that changes the route, without its flags: of an enabled home, else an install
    """
    settings = facts.recorded_settings
    usual = settings.provider if settings is not None else active_provider(facts.codex_config)
    flag = "" if provider == usual else f" --provider {shlex.quote(provider)}"
    enabled = settings is not None and settings.provider == provider and is_enabled(facts)
    return {
        "provider_flag": flag,
        "key_flag": "" if _can_be_copied(facts, provider) else " --from-stdin",
        "or_codex": OR_CODEX.format(provider_flag=flag) if may_set(facts.codex_config, provider) else "",
        "change": "set-upstream" if enabled else f"install --start{flag}",
    }


def _can_be_copied(facts: Facts, provider: str) -> bool:
    """Whether Codex sends the provider a lasting key, and the proxy has the URL that it is for."""
    settings = facts.recorded_settings
    auth = provider_auth(facts.codex_config, provider, facts.environment | facts.user_environment)
    is_key = codex_identity(facts, provider) in {Identity.PROVIDER_KEY, Identity.OPENAI_API_KEY}
    return is_key and auth is not ProviderAuth.COMMAND and (settings is None or settings.upstream is None)


def _refused_key(facts: Facts, settings: Settings, steps: dict[str, str]) -> dict[str, str]:
    """Return the key that requests have, in words, and the way to mend it."""
    location, name = sent_key(facts, settings)
    values = {**steps, "name": name, "dotenv": str(facts.layout.dotenv)}
    if location == "":
        return {"key": IDENTITIES[codex_identity(facts, settings.provider)], "way_out": KEY_REMEDIES["login"]}
    return {"key": KEYS[location].format_map(values), "way_out": KEY_REMEDIES[location].format_map(values)}


def is_key_idle(facts: Facts, settings: Settings) -> bool:
    """Whether `set-upstream --use-provider-auth-file` would let the proxy send a key that is saved and not in use."""
    return settings.key_entry in facts.provider_keys and not settings.upstream_api_key_file and not settings.upstream


def _instead_of_saved_key(facts: Facts, settings: Settings) -> str:
    if settings.upstream_api_key_env is None:
        return f"it passes on {IDENTITIES[codex_identity(facts, settings.provider)]}, which may meet with a 401"
    lack = "only this process has" if key_available(facts, settings) else "is not set"
    return f"it looks for the variable {settings.upstream_api_key_env}, which {lack}"
