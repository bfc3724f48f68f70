"""The identity that a provider receives: a table by login, the provider's own auth, and Codex's version.

Each row was measured with the real CLI, the same in `codex exec`'s POST /responses, GET /models and WebSocket
handshake: tests/end_to_end/test_identities.py runs the cells again. Versions between 0.130 and 0.150 were tried one
by one for the three borders below. A ChatGPT login, a personal access token and an agent identity come with the
header chatgpt-account-id, a key never.

Not in the table: CODEX_API_KEY, which `codex exec` alone uses in place of any login.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cfp.codex.auth_json import Login
from cfp.core.provider import BUILT_IN, RESERVED, providers

Version = tuple[int, ...]
_OWN_KEYS: Final = ("env_key", "experimental_bearer_token", "auth")


class ProviderAuth(enum.StrEnum):
    """The key that a provider's table in config.toml names, by its place."""

    ENV_KEY = "env_key"
    ENV_KEY_UNSET = "env_key_unset"  # its variable is not set, or blank: auth.json does not count for it
    BEARER_TOKEN = "experimental_bearer_token"  # noqa: S105 - the name of a setting
    BLANK_BEARER_TOKEN = "blank_bearer_token"  # noqa: S105 - the name of a setting
    COMMAND = "auth_command"
    HEADER = "authorization_header"  # in http_headers, or in env_http_headers with its variable set
    NONE = "none"
    INVALID = "invalid"  # Codex refuses the table: `auth` without a command, or beside another key
    OTHER = "other"  # a kind that was not measured: aws, gateway_oauth


class Identity(enum.StrEnum):
    """The identity that a request carries; a closed set of the results."""

    PROVIDER_KEY = "provider_key"
    OPENAI_API_KEY = "openai_api_key"  # auth.json's
    CHATGPT_LOGIN = "chatgpt_login"
    PERSONAL_ACCESS_TOKEN = "personal_access_token"  # noqa: S105 - the name of a kind
    AGENT_IDENTITY = "agent_identity"
    NONE = "none"
    CODEX_REFUSES = "codex_refuses"  # no request is sent
    UNKNOWN = "unknown"  # not established: it may be any of them

    @property
    def may_be_a_login(self) -> bool:
        """Whether the provider may receive an identity of the user's OpenAI account, other than a key."""
        return self in _LOGINS


_LOGINS = frozenset(
    {Identity.CHATGPT_LOGIN, Identity.PERSONAL_ACCESS_TOKEN, Identity.AGENT_IDENTITY, Identity.UNKNOWN}
)
_OF_LOGIN: Final = {
    Login.NONE: Identity.NONE,
    Login.UNREADABLE: Identity.NONE,
    Login.API_KEY: Identity.OPENAI_API_KEY,
    Login.CHATGPT: Identity.CHATGPT_LOGIN,
    Login.PERSONAL_ACCESS_TOKEN: Identity.PERSONAL_ACCESS_TOKEN,
    Login.AGENT_IDENTITY: Identity.AGENT_IDENTITY,
    Login.BEDROCK: Identity.UNKNOWN,
    Login.WORKLOAD_IDENTITY: Identity.UNKNOWN,
    Login.UNKNOWN: Identity.UNKNOWN,
}

# The first versions that parse a personal access token; that ignore an auth.json which they cannot parse; and that
# send the login only to a provider with requires_openai_auth.
ACCESS_TOKENS_SINCE: Final = (0, 138)
UNREADABLE_IGNORED_SINCE: Final = (0, 147)
LOGIN_GATED_SINCE: Final = (0, 149)
OLDEST: Final = (0, 130)
NEWEST: Final = (999,)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: the cells that it holds for, with None for all, and their identity, None for that of the login.

    versions  the first version that it holds for, and the first one after them
    """

    auth: frozenset[ProviderAuth] | None
    login: frozenset[Login] | None
    requires_openai_auth: bool | None
    versions: tuple[Version, Version]
    identity: Identity | None

    def matches(self, auth: ProviderAuth, login: Login, *, requires_openai_auth: bool, version: Version) -> bool:
        """Whether the rule holds for a cell."""
        return (
            (self.auth is None or auth in self.auth)
            and (self.login is None or login in self.login)
            and self.requires_openai_auth in {None, requires_openai_auth}
            and self.versions[0] <= version < self.versions[1]
        )


_EVERY: Final = None
_ALL: Final[tuple[Version, Version]] = ((), (*NEWEST, 1))
_GATED: Final[tuple[Version, Version]] = (LOGIN_GATED_SINCE, (*NEWEST, 1))
_OWN_KEY: Final = frozenset({ProviderAuth.ENV_KEY, ProviderAuth.BEARER_TOKEN, ProviderAuth.COMMAND})
_INVALID: Final = frozenset({ProviderAuth.INVALID})
_COMMAND: Final = frozenset({ProviderAuth.COMMAND})
_UNSET: Final = frozenset({ProviderAuth.ENV_KEY_UNSET})
_BLANK: Final = frozenset({ProviderAuth.BLANK_BEARER_TOKEN})
_OTHER: Final = frozenset({ProviderAuth.OTHER})
_HEADER: Final = frozenset({ProviderAuth.HEADER})
_NO_KEY: Final = frozenset({ProviderAuth.NONE})
_TOKEN: Final = frozenset({Login.PERSONAL_ACCESS_TOKEN})
_BROKEN: Final = frozenset({Login.UNREADABLE})
_NOBODY: Final = frozenset({Login.NONE, Login.UNREADABLE})
# fmt: off
TABLE: Final[tuple[Row, ...]] = (
    #   auth      login    requires_openai_auth, versions         identity
    Row(_INVALID, _EVERY,  None,  _ALL,                           Identity.CODEX_REFUSES),
    Row(_COMMAND, _EVERY,  True,  _ALL,                           Identity.CODEX_REFUSES),
    Row(_EVERY,   _BROKEN, None,  ((), UNREADABLE_IGNORED_SINCE), Identity.CODEX_REFUSES),
    Row(_EVERY,   _TOKEN,  None,  ((), ACCESS_TOKENS_SINCE),      Identity.CODEX_REFUSES),
    Row(_UNSET,   _EVERY,  None,  _ALL,                           Identity.CODEX_REFUSES),
    Row(_OWN_KEY, _EVERY,  None,  _ALL,                           Identity.PROVIDER_KEY),
    Row(_BLANK,   _EVERY,  None,  _ALL,                           Identity.NONE),
    Row(_OTHER,   _EVERY,  None,  _ALL,                           Identity.UNKNOWN),
    Row(_HEADER,  _EVERY,  False, _GATED,                         Identity.PROVIDER_KEY),
    Row(_NO_KEY,  _EVERY,  False, _GATED,                         Identity.NONE),
    # From here on Codex uses the login, which also replaces an Authorization of http_headers.
    Row(_HEADER,  _NOBODY, None,  _ALL,                           Identity.PROVIDER_KEY),
    Row(_EVERY,   _EVERY,  None,  _ALL,                           None),
)
# fmt: on


def direct_identity(
    auth: ProviderAuth, login: Login, *, requires_openai_auth: bool, version: Version | None = None
) -> Identity:
    """Return the identity that Codex itself sends to the provider; total. An unknown version counts as the newest."""
    row = next(
        row
        for row in TABLE
        if row.matches(auth, login, requires_openai_auth=requires_openai_auth, version=version or NEWEST)
    )
    return identity_of_login(login) if row.identity is None else row.identity


def identity_of_login(login: Login) -> Identity:
    """Return the identity of a request that carries Codex's login."""
    return _OF_LOGIN[login]


def identity_through_proxy(direct: Identity, *, overrides_auth: bool) -> Identity:
    """Return the identity that the provider receives through the proxy.

    The proxy sends its own key in place of any identity (overrides_auth), or passes Codex's on. A request that Codex
    does not send reaches neither.
    """
    return Identity.PROVIDER_KEY if overrides_auth and direct is not Identity.CODEX_REFUSES else direct


def provider_auth(config: Mapping[str, Any], provider: str, environment: Collection[str]) -> ProviderAuth:
    """Return the key that the provider's table names.

    environment  names of the variables that are set for Codex and not blank, those of $CODEX_HOME/.env included
    """
    table = provider_table(config, provider)
    env_key, token = table.get("env_key"), table.get("experimental_bearer_token")
    if "auth" in table:
        command = table["auth"].get("command") if isinstance(table["auth"], Mapping) else None
        beside = isinstance(env_key, str) or isinstance(token, str)
        has_command = isinstance(command, str) and command.strip() != ""
        return ProviderAuth.COMMAND if has_command and not beside else ProviderAuth.INVALID
    if isinstance(env_key, str):
        return ProviderAuth.ENV_KEY if env_key in environment else ProviderAuth.ENV_KEY_UNSET
    if isinstance(token, str):
        return ProviderAuth.BEARER_TOKEN if token.strip() else ProviderAuth.BLANK_BEARER_TOKEN
    if "aws" in table or "gateway_oauth" in table:
        return ProviderAuth.OTHER
    has_header = own_authorization(table) is not None or authorization_variable(table) in environment
    return ProviderAuth.HEADER if has_header else ProviderAuth.NONE


def names_own_key(config: Mapping[str, Any], provider: str) -> bool:
    """Whether the provider's table names a key of its own, set or not: Codex sends its login's in no place of it."""
    table = provider_table(config, provider)
    names_header = own_authorization(table) is not None or authorization_variable(table) is not None
    return names_header or any(name in table for name in _OWN_KEYS)


def provider_table(config: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """Return the provider's table; a built-in provider has none, even if config.toml has a table of its name."""
    return {} if provider in RESERVED else providers(config).get(provider, {})


def own_authorization(table: Mapping[str, Any]) -> str | None:
    """Return the Authorization of a table's http_headers; None where there is none, or a blank one."""
    return _member(table.get("http_headers"), "authorization")


def authorization_variable(table: Mapping[str, Any]) -> str | None:
    """Return the variable that a table's env_http_headers names for Authorization."""
    return _member(table.get("env_http_headers"), "authorization")


def requires_openai_auth(config: Mapping[str, Any], provider: str) -> bool:
    """Whether the provider is one of OpenAI's accounts to Codex; the built-in one always is."""
    return provider == BUILT_IN or provider_table(config, provider).get("requires_openai_auth") is True


def predicted_identity(
    config: Mapping[str, Any],
    provider: str,
    login: Login,
    environment: Collection[str],
    version: Version | None = None,
) -> Identity:
    """Return the identity that Codex sends to a provider of config.toml."""
    return direct_identity(
        provider_auth(config, provider, environment),
        login,
        requires_openai_auth=requires_openai_auth(config, provider),
        version=version,
    )


def _member(headers: Any, name: str) -> str | None:
    """Return a header's value from a table, whatever the case of its name; None for a blank one."""
    if not isinstance(headers, Mapping):
        return None
    values = (value for key, value in headers.items() if key.lower() == name)
    return next((value for value in values if isinstance(value, str) and value.strip()), None)
