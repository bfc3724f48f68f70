"""The URL of a provider's model catalogue, which Codex fetches directly, past the proxy (Codex 0.169).

With a ChatGPT login and `requires_openai_auth`, Codex sends its token and account id there. Where the proxy replaces
that login with the provider's key, the URL is therefore moved through the proxy as a key of ours in config.toml: a
path of the worker that stands for the whole origin of the provider, so that the URL itself says where it leads.

A user without such a URL may have Codex read the catalogue at the proxy (`install --catalogue`): the key is then ours
altogether, with another path of the worker, and goes with the proxy. Codex reads it before its SessionStart hook.

Of the 24 keys of a provider table (Codex 0.171) only `base_url` and this one name addresses to which Codex sends the
login; the URLs in `gateway_oauth` are those where it signs in at a gateway. Codex refuses a config that has
`gateway_oauth` and a catalogue at another origin than `base_url`: there the URL moves with `base_url`, split or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cfp.codex.auth_json import Login
from cfp.core.facts import Facts
from cfp.core.identities import predicted_identity, provider_table
from cfp.core.provider import BUILT_IN, providers
from cfp.core.route_report import RouteWarning
from cfp.core.settings import Settings
from cfp.errors import Refused
from cfp.layout import CATALOG_PATH, MODELS_PATH
from cfp.messages.identities import ROUTE_WARNINGS, RouteWarningCode
from journal.values import ABSENT, KeyEdit, KeyPath

_NAME: Final = "model_catalog_url"
READ_SINCE: Final = (0, 169)  # the first Codex that reads the key
_PORTS: Final = {"http": "80", "https": "443"}
_IGNORED: Final = re.compile(r"[\t\n\r]|\A[\x00-\x20]+|[\x00-\x20]+\Z")  # as Codex parses a URL (WHATWG URL 4.4)
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # Codex refuses to fetch any other
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^\s@/?#\\]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:@/?#\[\]\\]+)"
    r"(?::(?P<port>[0-9]*))?(?P<path>/[^\s?#\\]*)?(?P<rest>(?:\?[^\s#\\]*)?(?:#[^\s\\]*)?)",
    re.IGNORECASE,
)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)  # a client resolves it before it sends


class _Url(NamedTuple):
    """The parts of a URL that no parser reads otherwise; `user` and `rest` keep their delimiters."""

    scheme: str
    user: str
    host: str
    port: str
    path: str
    rest: str

    @property
    def origin(self) -> tuple[str, str, str]:
        scheme = self.scheme.lower()
        return scheme, self.host.lower(), self.port or _PORTS[scheme]

    def at(self, other: _Url, path: str) -> str:
        """Return the URL of `path` at another's origin, with this one's user information, query and fragment."""
        port = f":{other.port}" if other.port else ""
        return f"{other.scheme}://{self.user}{other.host}{port}{path}{self.rest}"


def _parse(url: str) -> _Url | None:
    match = _URL.fullmatch(url)
    if match is None or _DOT_SEGMENT.search(match["path"] or ""):
        return None
    return _Url(*(match[name] or "" for name in _Url._fields))


def catalog_key(provider: str) -> KeyPath:
    """Return the key of a custom provider's catalogue."""
    return ("model_providers", provider, _NAME)


def catalog_url(doc: Mapping[str, Any], provider: str) -> str | None:
    """Return the URL from which Codex fetches the provider's catalogue; None where Codex asks the provider itself.

    The built-in provider's catalogue is at OpenAI: Codex accepts no other host.
    """
    value = provider_table(doc, provider).get(_NAME)
    return value if isinstance(value, str) and _ABSOLUTE.match(_IGNORED.sub("", value)) else None


def catalog_host(url: str) -> str:
    """Return the host of a catalogue, for a message; the scheme alone where the URL cannot be taken apart."""
    parts = _parse(url)
    if parts is None:
        return _IGNORED.sub("", url).partition(":")[0] + ":…"
    return f"{parts.host}:{parts.port}" if parts.port else parts.host


def catalog_details(doc: Mapping[str, Any], provider: str) -> dict[str, str]:
    """Return the values for the sentences about a catalogue: its key and its host."""
    url = catalog_url(doc, provider)
    return {} if url is None else {"catalog_key": ".".join(catalog_key(provider)), "catalog_host": catalog_host(url)}


def proxied_catalog(url: str, *, proxy: str, upstream: str) -> str | None:
    """Return the proxy's URL for a catalogue at the provider's origin; None for a catalogue anywhere else."""
    parts, own, provider = _parse(url), _parse(proxy), _parse(upstream)
    if parts is None or own is None or provider is None or parts.origin != provider.origin:
        return None
    return parts.at(own, CATALOG_PATH + (parts.path or "/"))


def original_catalog(url: str, *, proxy: str, upstream: str) -> str | None:
    """Return the provider's URL that the proxy's stands for; None where the URL is not the proxy's."""
    parts, own, provider = _parse(url), _parse(proxy), _parse(upstream)
    if parts is None or own is None or provider is None or parts.origin != own.origin:
        return None
    if not parts.path.startswith(CATALOG_PATH + "/"):
        return None
    return parts.at(provider, parts.path.removeprefix(CATALOG_PATH))


def moved_catalog(url: str, *, previous: str, upstream: str) -> str:
    """Return a catalogue at the previous provider's origin at the origin of the new one; any other as it is."""
    parts, old, new = _parse(url), _parse(previous), _parse(upstream)
    if parts is None or old is None or new is None or parts.origin != old.origin or old.origin == new.origin:
        return url
    return parts.at(new, parts.path)


def catalogue_at(proxy: str) -> str:
    """Return the URL of the catalogue that the proxy at this URL serves."""
    parts = _parse(proxy)
    return "" if parts is None else parts.at(parts, MODELS_PATH)


def is_catalogue_of_ours(url: Any, proxy: str) -> bool:
    """Whether the URL is that of the catalogue that the proxy serves, with nothing of the user's in it."""
    return isinstance(url, str) and url != "" and url == catalogue_at(proxy)


def catalogue_warnings(facts: Facts, doc: Mapping[str, Any], settings: Settings) -> Iterator[RouteWarning]:
    """Yield what keeps Codex from the catalogue that the user wants, or its price; `doc` is without our changes."""
    if not settings.catalogue:
        return
    version, theirs = facts.codex_version or facts.version_in_home, catalog_url(doc, settings.provider)
    code: RouteWarningCode = "catalogue_needs_the_proxy"
    details = {"key": ".".join(catalog_key(settings.provider)), "version": ".".join(map(str, version or ()))}
    if settings.provider == BUILT_IN:
        code = "catalogue_of_openai"
    elif theirs is not None:
        code = "catalogue_is_yours"
    elif version is not None and version < READ_SINCE:
        code = "catalogue_not_read"
    yield RouteWarning(code=code, message=ROUTE_WARNINGS[code].filled(details))


def own_catalog(doc: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the value of our key for a config without our changes; None where the user's is left alone.

    Raises Refused(catalog_past_proxy) where Codex would send its login or the gateway's token to another origin.
    """
    url = catalog_url(doc, settings.provider)
    if url is None:
        is_wanted = settings.catalogue and settings.provider != BUILT_IN
        return catalogue_at(settings.base_url) if is_wanted else None
    is_gateway = "gateway_oauth" in provider_table(doc, settings.provider)
    if not (settings.overrides_auth or is_gateway):
        return None
    own = proxied_catalog(url, proxy=settings.base_url, upstream=settings.upstream_base)
    if own is None and (is_gateway or _may_get_login(doc, settings.provider)):
        raise Refused(
            "catalog_past_proxy",
            key=".".join(catalog_key(settings.provider)),
            host=catalog_host(url),
            credential="the gateway's token" if is_gateway else "its login",
        )
    return own


def is_proxied(url: str, settings: Settings) -> bool:
    """Whether a catalogue is read through the proxy."""
    original = original_catalog(url, proxy=settings.base_url, upstream=settings.upstream_base)
    return original is not None or is_catalogue_of_ours(url, settings.base_url)


def passed_by(doc: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the catalogue that receives Codex's login although the proxy replaces it; None where none does."""
    url = catalog_url(doc, settings.provider)
    if url is None or not settings.overrides_auth or is_proxied(url, settings):
        return None
    return url if _may_get_login(doc, settings.provider) else None


def own_catalog_edits(doc: Mapping[str, Any], *, proxy: str, upstream: str) -> tuple[KeyEdit, ...]:
    """Return the edits that must have made the catalogues in a config the proxy's, by recognition."""
    edits = []
    for name in providers(doc):
        url = catalog_url(doc, name)
        original = None if url is None else original_catalog(url, proxy=proxy, upstream=upstream)
        if original is not None:
            edits.append(KeyEdit(path=catalog_key(name), before=original, after=url))
        elif is_catalogue_of_ours(url, proxy):
            edits.append(KeyEdit(path=catalog_key(name), before=ABSENT, after=url))
    return tuple(edits)


def _may_get_login(doc: Mapping[str, Any], provider: str) -> bool:
    """Whether Codex sends its login to this provider once it is signed in: no key of the table takes precedence."""
    return predicted_identity(doc, provider, Login.CHATGPT, frozenset()).may_be_a_login
