"""The flaws of the keys that a home's files and environment hold for its providers, and the place of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cfp.codex import auth_json
from cfp.core.identities import Identity, provider_table, requires_openai_auth
from cfp.core.keys.flaws import FlawedKey, KeyFlaw, flaw_of_header, flaw_of_key, may_be_a_key
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.provider import BUILT_IN, providers
from cfp.core.settings import Settings
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.provider.keys import CodexFiles
from cfp.host.provider.secret import redact
from cfp.variables import variables_of

Flaw = tuple[str, KeyFlaw]


def flawed_keys(files: CodexFiles, settings: Settings | None, provider_auth: bytes | None) -> tuple[FlawedKey, ...]:
    """Return each flaw by its provider, those of the keys that the proxy sends first.

    provider_auth  provider-auth.json
    """
    split = settings is not None and settings.overrides_auth
    own = [] if settings is None else list(_of_proxy(files, settings, provider_auth))
    flaws = [] if settings is None else [(settings.provider, flaw, True) for flaw in own]
    for provider in dict.fromkeys((*providers(files.config), BUILT_IN)):
        sends_key = not split and files.identity(provider) in {Identity.PROVIDER_KEY, Identity.OPENAI_API_KEY}
        flaws += [(provider, flaw, sends_key) for flaw in _of_codex(files, provider)]
        flaws += [(provider, flaw, False) for flaw in _of_headers(files, provider)]
    return tuple(
        FlawedKey(provider=provider, place=place, flaw=flaw, is_sent=is_sent)
        for provider, (place, flaw), is_sent in flaws
    )


def _of_proxy(files: CodexFiles, settings: Settings, provider_auth: bytes | None) -> Iterator[Flaw]:
    name = settings.upstream_api_key_env
    if settings.upstream_api_key_file:
        key = stored_keys(provider_auth).get(settings.key_entry, "")
        yield from _flaws("provider-auth.json", flaw_of_key(key))
    elif name is not None:
        yield from _of_variable(files, name, verbatim=False)


def _of_codex(files: CodexFiles, provider: str) -> Iterator[Flaw]:
    table = provider_table(files.config, provider)
    env_key, token = table.get("env_key"), table.get("experimental_bearer_token")
    if isinstance(env_key, str):
        yield from _of_name(files, f"model_providers.{provider}.env_key", env_key)
        yield from _of_variable(files, env_key, verbatim=True)
    if isinstance(token, str):
        place = f"model_providers.{provider}.experimental_bearer_token"
        yield from _flaws(place, flaw_of_key(token, verbatim=True))
    if requires_openai_auth(files.config, provider) and env_key is None and token is None:
        key = auth_json.api_key(files.auth, "OPENAI_API_KEY") or ""
        yield from _flaws("OPENAI_API_KEY in auth.json", flaw_of_key(key, verbatim=True))


def _of_headers(files: CodexFiles, provider: str) -> Iterator[Flaw]:
    table = provider_table(files.config, provider)
    for name, value in _texts(table, "http_headers"):
        yield from _flaws(f"model_providers.{provider}.http_headers.{redact(name)}", flaw_of_header(value))
    for name, variable in _texts(table, "env_http_headers"):
        yield from _of_name(files, f"model_providers.{provider}.env_http_headers.{redact(name)}", variable)
        yield from _of_variable(files, variable, verbatim=True, header=True)


def _of_name(files: CodexFiles, place: str, name: str) -> Iterator[Flaw]:
    """Yield a key that stands where its variable's name belongs; a name that is set is one."""
    if name not in files.variables() and may_be_a_key(name):
        yield place, KeyFlaw.KEY_AS_NAME


def _of_variable(files: CodexFiles, name: str, *, verbatim: bool, header: bool = False) -> Iterator[Flaw]:
    dotenv = variables_of(parse_dotenv(files.dotenv, files.environ))
    value = dotenv.get(name, variables_of(files.user_environ, files.environ).get(name, ""))
    place = f"the variable {redact(name)}{' in .env' if name in dotenv else ''}"
    yield from _flaws(place, flaw_of_header(value) if header else flaw_of_key(value, verbatim=verbatim))


def _flaws(place: str, flaw: KeyFlaw | None) -> Iterator[Flaw]:
    if flaw is not None:
        yield place, flaw


def _texts(table: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    inner = table.get(name)
    items = inner.items() if isinstance(inner, Mapping) else ()
    return [(key, value) for key, value in items if isinstance(value, str)]
