"""The headers and query parameters that a provider's table in config.toml adds to requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfp.core.identities import provider_table
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.provider.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExtras:
    """Headers and query parameters that the provider's table adds to requests. Values may be secrets."""

    headers: tuple[tuple[str, Secret], ...] = ()
    query: tuple[tuple[str, Secret], ...] = ()


def request_extras(
    config: Mapping[str, Any], provider: str, dotenv: bytes | None, environ: Mapping[str, str]
) -> RequestExtras:
    """Read http_headers, env_http_headers (a variable that is missing or blank gives none) and query_params."""
    table = provider_table(config, provider)
    variables = {**environ, **parse_dotenv(dotenv, environ)}
    from_variables = {name: variables.get(variable, "") for name, variable in _texts(table, "env_http_headers")}
    headers = {
        **dict(_texts(table, "http_headers")),
        **{name: value for name, value in from_variables.items() if value.strip()},
    }
    return RequestExtras(
        headers=tuple((name, Secret(value)) for name, value in headers.items()),
        query=tuple((name, Secret(value)) for name, value in _texts(table, "query_params")),
    )


def _texts(table: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    inner = table.get(name)
    items = inner.items() if isinstance(inner, Mapping) else ()
    return [(key, value) for key, value in items if isinstance(value, str)]
