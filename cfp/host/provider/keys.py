"""The key that Codex itself would send to a provider, and its location.

An OpenAI key must not reach a relay, so nothing here guesses: `core/identities.py` predicts the identity, the
provider's table names the location of that key (`_locations`), and the user must name any other (`KeySource`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfp.codex import auth_json
from cfp.codex.auth_json import Login
from cfp.core.identities import (
    Identity,
    ProviderAuth,
    authorization_variable,
    own_authorization,
    predicted_identity,
    provider_auth,
    provider_table,
    requires_openai_auth,
)
from cfp.core.keys.bearer import bearer, is_key
from cfp.core.keys.flaws import KeyFlaw, flaw_of_key
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.provider import host_of
from cfp.errors import Failed
from cfp.host.provider.auth_command import printed_key
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.provider.secret import Secret
from cfp.messages.identities import FLAWS
from cfp.variables import variables_of


class KeyLocation(enum.StrEnum):
    """The locations of keys."""

    DOTENV = "codex_dotenv"
    PROCESS_ENV = "process_env"
    WINDOWS_USER_ENV = "windows_user_env"
    PROVIDER_AUTH_FILE = "provider_auth_file"
    AUTH_JSON = "auth_json"
    BEARER_TOKEN = "experimental_bearer_token"  # noqa: S105 - the name of a setting
    HTTP_HEADERS = "http_headers"
    ENV_HTTP_HEADERS = "env_http_headers"
    AUTH_COMMAND = "auth_command"
    STDIN = "stdin"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """A location that the user named: by an auth override, --api-key-env, --from-env or --source-auth-key."""

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
    def provider_auth_file(cls, entry: str | None = None) -> KeySource:
        """Return the source of an entry of provider-auth.json; None for the provider's."""
        return cls(location=KeyLocation.PROVIDER_AUTH_FILE, name=entry or "")


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


_OPENAI_KEY = "OPENAI_API_KEY"
_SCHEME = "bearer "
_VARIABLES = (KeyLocation.DOTENV, KeyLocation.PROCESS_ENV, KeyLocation.WINDOWS_USER_ENV)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexFiles:
    """The contents by which Codex chooses an identity: config.toml (parsed), auth.json, .env, and its environment.

    user_environ  what Windows adds to the environment of each new program of this user: a Codex that is started
                  from now on has it, though this process may be older (`windows.user_environ()`)
    """

    config: Mapping[str, Any]
    auth: bytes | None
    dotenv: bytes | None
    environ: Mapping[str, str]
    user_environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def login(self) -> Login:
        """The login that Codex uses."""
        store = self.config.get("cli_auth_credentials_store")
        return auth_json.login(
            self.auth, store if isinstance(store, str) else None, self.environ.get("CODEX_ACCESS_TOKEN")
        )

    def identity(self, provider: str) -> Identity:
        """Return the identity that Codex would send to a provider."""
        return predicted_identity(self.config, provider, self.login, self.variables())

    def auth_of(self, provider: str) -> ProviderAuth:
        """Return the key that the provider's table names."""
        return provider_auth(self.config, provider, self.variables())

    def variables(self) -> dict[str, str]:
        """Return the variables that Codex sees and that are not blank; .env wins."""
        variables = variables_of(self.user_environ, self.environ, parse_dotenv(self.dotenv, self.environ))
        return variables_of({name: value for name, value in variables.items() if value.strip()})


def discover_key(
    files: CodexFiles,
    provider: str,
    provider_auth_data: bytes | None = None,
    source: KeySource | None = None,
) -> ProviderKey | None:
    """Return the key that Codex would send to `provider`, or with `source`, the one that the user named.

    provider_auth_data is provider-auth.json. None: there is none (`sends_key` is whether one is to be expected).
    Raises Failed(auth_command_failed) where the provider's `auth.command` prints none.
    """
    table = provider_table(files.config, provider)
    readers: dict[KeyLocation, Callable[[str], str | None]] = {
        KeyLocation.DOTENV: lambda name: variables_of(parse_dotenv(files.dotenv, files.environ)).get(name),
        KeyLocation.PROCESS_ENV: variables_of(files.environ).get,
        KeyLocation.WINDOWS_USER_ENV: variables_of(files.user_environ).get,
        KeyLocation.AUTH_JSON: lambda name: auth_json.api_key(files.auth, name),
        KeyLocation.PROVIDER_AUTH_FILE: lambda name: stored_keys(provider_auth_data).get(name or provider),
        KeyLocation.BEARER_TOKEN: lambda _: _text(table.get("experimental_bearer_token")),
        KeyLocation.HTTP_HEADERS: lambda _: _bearer_key(own_authorization(table)),
        KeyLocation.ENV_HTTP_HEADERS: lambda name: _bearer_key(files.variables().get(name)),
        KeyLocation.AUTH_COMMAND: lambda _: printed_key(table["auth"], files.variables()),
    }
    for location, name in _locations(files, provider) if source is None else _locations_of(source):
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
        flaw = flaw_of_key(text, verbatim=verbatim) or KeyFlaw.CONTROL
        reason = FLAWS[flaw]
        raise Failed("upstream_key_malformed", host=host_of(upstream_base), reason=reason, source=key.source)
    return value


def sends_key(files: CodexFiles, provider: str) -> bool:
    """Whether Codex sends a key to this provider at all; a local provider may want none.

    An Authorization of another scheme in http_headers is no key; requests have it as any header of the table.
    """
    identity = files.identity(provider)
    if identity is Identity.NONE:
        return requires_openai_auth(files.config, provider)
    if files.auth_of(provider) is ProviderAuth.HEADER and identity is Identity.PROVIDER_KEY:
        return False
    return identity in {Identity.PROVIDER_KEY, Identity.OPENAI_API_KEY, Identity.CODEX_REFUSES}


def sends_login(files: CodexFiles, provider: str) -> bool:
    """Whether Codex would send its own login to this provider. We never send that login ourselves."""
    identity = files.identity(provider)
    return identity.may_be_a_login and identity is not Identity.UNKNOWN


def _locations(files: CodexFiles, provider: str) -> list[tuple[KeyLocation, str]]:
    """Return the locations of the key that Codex would send, in order; none where it sends no key."""
    identity = files.identity(provider)
    if identity is Identity.OPENAI_API_KEY:
        return [(KeyLocation.AUTH_JSON, _OPENAI_KEY)]
    if identity is not Identity.PROVIDER_KEY:
        return []
    table = provider_table(files.config, provider)
    match files.auth_of(provider):
        case ProviderAuth.ENV_KEY:
            name = str(table["env_key"])
            return [(location, name) for location in _VARIABLES]
        case ProviderAuth.BEARER_TOKEN:
            return [(KeyLocation.BEARER_TOKEN, "")]
        case ProviderAuth.COMMAND:
            return [(KeyLocation.AUTH_COMMAND, "")]
        case _:
            variable = authorization_variable(table)
            by_variable = [(KeyLocation.ENV_HTTP_HEADERS, variable)] if variable in files.variables() else []
            return [*by_variable, (KeyLocation.HTTP_HEADERS, "")]


def _locations_of(source: KeySource) -> list[tuple[KeyLocation, str]]:
    if source.location is not KeyLocation.PROCESS_ENV:
        return [(source.location, source.name)]
    return [(location, source.name) for location in (*_VARIABLES, KeyLocation.AUTH_JSON)]


def _bearer_key(authorization: str | None) -> str | None:
    """Return the key of an Authorization value; None where it has another scheme."""
    if authorization is None or not authorization.lower().startswith(_SCHEME):
        return None
    return authorization[len(_SCHEME) :].strip()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
