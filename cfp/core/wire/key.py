"""The key that the proxy sends: whether it is there, stays, and can be sent at all."""

from __future__ import annotations

from cfp.codex.auth_json import Login
from cfp.core.facts import Facts
from cfp.core.identities import ProviderAuth, authorization_variable, provider_auth, provider_table
from cfp.core.keys.flaws import FlawedKey, KeyFlaw
from cfp.core.settings import Settings
from cfp.messages.identities import RouteWarningCode


def key_available(facts: Facts, settings: Settings) -> bool:
    """Whether the key that the proxy sends is there; True where it passes Codex's on."""
    if settings.upstream_api_key_file:
        return settings.key_entry in facts.provider_keys
    env = settings.upstream_api_key_env
    return env is None or env in facts.environment | facts.user_environment | facts.auth_names


def key_persistent(facts: Facts, settings: Settings) -> bool:
    """Whether that key will be there in a new login session."""
    env = settings.upstream_api_key_env
    if env is None or env in facts.dotenv | facts.user_environment:
        return True
    return env not in facts.environment and env in facts.auth_names


def unsendable_key(facts: Facts, settings: Settings) -> FlawedKey | None:
    """Return the key that each request through the proxy would carry, and that HTTP cannot; None for none."""
    keys = (key for key in facts.flawed_keys if key.provider == settings.provider and key.is_sent)
    return next((key for key in keys if flaw_code(key) == "key_malformed"), None)


def sent_key(facts: Facts, settings: Settings) -> tuple[str, str]:
    """Return the location of the key that a request has, as `KeyLocation` names it, and its name there.

    ("", "") where it has none of the provider's.
    """
    if settings.upstream_api_key_file:
        return "provider_auth_file", ""
    variable = settings.upstream_api_key_env
    if variable is not None:
        return _variable(facts, variable, otherwise="auth_json")
    table = provider_table(facts.codex_config, settings.provider)
    auth = provider_auth(facts.codex_config, settings.provider, facts.environment | facts.user_environment)
    match auth:
        case ProviderAuth.ENV_KEY:
            return _variable(facts, str(table["env_key"]))
        case ProviderAuth.BEARER_TOKEN | ProviderAuth.COMMAND:
            return str(auth), ""
        case ProviderAuth.HEADER:
            named = authorization_variable(table)
            return ("http_headers", "") if named is None else ("env_http_headers", named)
        case ProviderAuth.NONE if facts.codex_login is Login.API_KEY:
            return "auth_json", "OPENAI_API_KEY"
    return "", ""


def _variable(facts: Facts, name: str, *, otherwise: str = "process_env") -> tuple[str, str]:
    places = {
        "codex_dotenv": facts.dotenv,
        "process_env": facts.environment,
        "windows_user_env": facts.user_environment,
    }
    return next((place for place, names in places.items() if name in names), otherwise), name


def flaw_code(key: FlawedKey) -> RouteWarningCode:
    if key.flaw is KeyFlaw.KEY_AS_NAME:
        return "key_in_place_of_name"
    return "key_doubtful" if key.flaw is KeyFlaw.QUOTES else "key_malformed"
