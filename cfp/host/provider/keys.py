"""The key that Codex itself would send to a provider, and its location.

An OpenAI key must not reach a relay, so nothing here guesses: the provider's table names the locations
(`_locations`), and the first that holds a key counts. The user must name any other location (`KeySource`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cfp.codex import auth_json
from cfp.core.keys.bearer import bearer, is_key
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.provider import host_of
from cfp.errors import Failed
from cfp.host.provider.auth_command import printed_key
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.provider.secret import Secret


class KeyLocation(enum.StrEnum):
    """The locations of keys."""

    DOTENV = "codex_dotenv"
    PROCESS_ENV = "process_env"
    WINDOWS_USER_ENV = "windows_user_env"
    PROVIDER_AUTH_FILE = "provider_auth_file"
    AUTH_JSON = "auth_json"
    BEARER_TOKEN = "experimental_bearer_token"  # noqa: S105 - the name of a setting
    AUTH_COMMAND = "auth_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """A location that the user named: by an auth override, --api-key-env or --source-auth-key."""

    location: KeyLocation
    name: str = ""

    @classmethod
    def env(cls, name: str) -> KeySource:
        """Return the source of a variable, read as the worker reads it.

        The order is .env, the environment, Windows' user environment, auth.json.
        """
        return cls(location=KeyLocation.PROCESS_ENV, name=name)

    @classmethod
    def auth_json(cls, name: str) -> KeySource:
        return cls(location=KeyLocation.AUTH_JSON, name=name)

    @classmethod
    def provider_auth_file(cls) -> KeySource:
        return cls(location=KeyLocation.PROVIDER_AUTH_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """A key and its location; the secret does not show."""

    secret: Secret
    location: KeyLocation
    name: str

    @property
    def source(self) -> str:
        """The location and name of the key, as in `process_env:NAME`; never its value."""
        return f"{self.location}:{self.name}" if self.name else str(self.location)


_OPENAI = "openai"
_KEYLESS_BUILT_INS = frozenset({"ollama", "lmstudio", "amazon-bedrock", "amazon-bedrock-runtime", "gcp"})
_OPENAI_KEY = "OPENAI_API_KEY"
_STORES_WITHOUT_FILE = frozenset({"keyring", "ephemeral"})


def discover_key(
    config: Mapping[str, Any],
    provider: str,
    auth: bytes | None,
    dotenv: bytes | None,
    environ: Mapping[str, str],
    provider_auth: bytes | None = None,
    source: KeySource | None = None,
    user_environ: Mapping[str, str] | None = None,
) -> ProviderKey | None:
    """Return the key that Codex would send to `provider`, or with `source`, the one that the user named.

    config, auth, dotenv, provider_auth are the contents of config.toml (parsed), auth.json, .env and
    provider-auth.json; user_environ is `windows.user_environ()`. None: there is none (`sends_key` is whether
    one is to be expected).
    """
    fallbacks = {} if user_environ is None else user_environ
    readers: dict[KeyLocation, Callable[[str], str | None]] = {
        KeyLocation.DOTENV: lambda name: parse_dotenv(dotenv, environ).get(name),
        KeyLocation.PROCESS_ENV: environ.get,
        KeyLocation.WINDOWS_USER_ENV: fallbacks.get,
        KeyLocation.AUTH_JSON: lambda name: auth_json.api_key(auth, name),
        KeyLocation.PROVIDER_AUTH_FILE: lambda _: stored_keys(provider_auth).get(provider),
        KeyLocation.BEARER_TOKEN: lambda _: _text(provider_table(config, provider).get("experimental_bearer_token")),
        KeyLocation.AUTH_COMMAND: lambda _: printed_key(
            provider_table(config, provider)["auth"], {**environ, **parse_dotenv(dotenv, environ)}
        ),
    }
    for location, name in _locations(config, provider, auth) if source is None else _locations_of(source):
        value = readers[location](name)
        if is_key(value):
            return ProviderKey(secret=Secret(value), location=location, name=name)
    return None


def checked_bearer(key: ProviderKey, upstream_base: str, *, verbatim: bool = False) -> bytes:
    """Return the key's Authorization value; raises Failed(upstream_key_malformed; host, reason).

    verbatim  Codex sends the key itself, and drops no white space around it
    """
    text = key.secret.reveal()
    value = bearer(text)
    if value is None or (verbatim and text != text.strip()):
        reason = "it has a space, a line break or another character that a bearer token cannot have"
        raise Failed("upstream_key_malformed", host=host_of(upstream_base), reason=reason)
    return value


def sends_key(config: Mapping[str, Any], provider: str) -> bool:
    """Whether Codex sends a key to this provider at all; a local provider may want none."""
    return bool(_locations(config, provider, None))


def sends_login(config: Mapping[str, Any], provider: str, auth: bytes | None) -> bool:
    """Whether Codex would send its ChatGPT login to this provider. We never send that login ourselves."""
    store = config.get("cli_auth_credentials_store")
    mode = auth_json.login_mode(auth, store if isinstance(store, str) else None)
    signed_in = mode.has_chatgpt
    return signed_in and _locations(config, provider, None) == [(KeyLocation.AUTH_JSON, _OPENAI_KEY)]


def _locations(config: Mapping[str, Any], provider: str, auth: bytes | None) -> list[tuple[KeyLocation, str]]:
    """Return the locations that the provider's table names, in order (Codex 0.169: env_key beats the rest)."""
    table = provider_table(config, provider)
    env_key = _text(table.get("env_key"))
    if env_key:
        return _by_name(env_key)
    if _text(table.get("experimental_bearer_token")):
        return [(KeyLocation.BEARER_TOKEN, "")]
    if isinstance(table.get("auth"), Mapping):  # Codex refuses a table that has a key beside it
        return [(KeyLocation.AUTH_COMMAND, "")]
    wants_openai = provider == _OPENAI or table.get("requires_openai_auth") is True
    if wants_openai and _codex_reads_key(config, auth):
        return [(KeyLocation.AUTH_JSON, _OPENAI_KEY)]
    return []


def _by_name(name: str) -> list[tuple[KeyLocation, str]]:
    return [(KeyLocation.DOTENV, name), (KeyLocation.PROCESS_ENV, name), (KeyLocation.AUTH_JSON, name)]


def _locations_of(source: KeySource) -> list[tuple[KeyLocation, str]]:
    if source.location is not KeyLocation.PROCESS_ENV:
        return [(source.location, source.name)]
    first, second, last = _by_name(source.name)
    return [first, second, (KeyLocation.WINDOWS_USER_ENV, source.name), last]


def _codex_reads_key(config: Mapping[str, Any], auth: bytes | None) -> bool:
    """Whether Codex would send auth.json's key: not with another credentials store or a ChatGPT login."""
    mode = auth_json.api_key(auth, "auth_mode") or ""
    return config.get("cli_auth_credentials_store") not in _STORES_WITHOUT_FILE and not mode.startswith("chatgpt")


def provider_table(config: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """Return the provider's table; a built-in provider has none, even if config.toml has a table of its name."""
    tables = config.get("model_providers")
    table = tables.get(provider) if isinstance(tables, Mapping) else None
    is_built_in = provider == _OPENAI or provider in _KEYLESS_BUILT_INS
    return table if isinstance(table, Mapping) and not is_built_in else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
