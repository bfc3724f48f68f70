"""Which key Codex itself would send to a provider, and where it lies: that one, never another."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


class Secret:
    """A text that shows itself only where asked: `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def same_as(self, other: Secret) -> bool:
        """Compare in constant time."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "***"

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a secret is not serialised")


class Place(enum.StrEnum):
    """Where a key lies."""

    DOTENV = "codex_dotenv"
    PROCESS_ENV = "process_env"
    WINDOWS_USER_ENV = "windows_user_env"
    PROVIDER_AUTH_FILE = "provider_auth_file"
    AUTH_JSON = "auth_json"
    BEARER_TOKEN = "experimental_bearer_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place named by the user: an override candidate, --api-key-env, --source-auth-key."""

    place: Place
    name: str = ""

    @classmethod
    def env(cls, name: str) -> Source:
        """The environment variable (as the worker will see it), else auth.json under that name."""
        return cls(place=Place.PROCESS_ENV, name=name)

    @classmethod
    def auth_json(cls, name: str) -> Source:
        return cls(place=Place.AUTH_JSON, name=name)

    @classmethod
    def provider_auth_file(cls) -> Source:
        return cls(place=Place.PROVIDER_AUTH_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """A key and where it was found; only `label` is for showing."""

    secret: Secret
    place: Place
    name: str

    @property
    def source(self) -> str:
        """`process_env:NAME` and the like: a name, never a value."""
        return f"{self.place}:{self.name}"

    @property
    def upstream_api_key_source(self) -> str:
        """The closed set of that result field: process_env, windows_user_env, provider_auth_file, auth_json_fallback."""
        raise NotImplementedError

    @property
    def persistent(self) -> bool:
        """Whether the key is still there after a reboot, as far as its place tells."""
        raise NotImplementedError


def discover_key(
    config: Mapping[str, Any],
    provider: str,
    auth: bytes | None,
    dotenv: bytes | None,
    environ: Mapping[str, str],
    provider_auth: bytes | None = None,
    source: Source | None = None,
    user_environ: Mapping[str, str] | None = None,
) -> FoundKey | None:
    """Find the key that Codex would send to `provider`, or with `source`, the one that the user named.

    config, auth, dotenv, provider_auth are the contents of config.toml (parsed), auth.json, .env and
    provider-auth.json. None: there is none (`sends_key` tells whether one is expected).
    """
    raise NotImplementedError


def sends_key(config: Mapping[str, Any], provider: str) -> bool:
    """Whether Codex sends a key of the user's to this provider at all; a local one may want none."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What else Codex sends to a provider: headers and query parameters from its table. Values may be secrets."""

    headers: tuple[tuple[str, Secret], ...] = ()
    query: tuple[tuple[str, Secret], ...] = ()


def provider_extras(
    config: Mapping[str, Any], provider: str, dotenv: bytes | None, environ: Mapping[str, str]
) -> Extras:
    """Read http_headers, env_http_headers and query_params of the provider's table."""
    raise NotImplementedError


def parse_dotenv(data: bytes | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Read $CODEX_HOME/.env as Codex does; names that begin with CODEX_ are ignored, lines that do not parse too."""
    raise NotImplementedError


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Blank the secrets, parts of them, and all that looks like a token; one line, printable."""
    raise NotImplementedError
