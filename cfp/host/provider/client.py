"""One provider as Codex would reach it: its URL, key, own headers and query, outbound proxy and TLS trust."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode

from cfp.core import header_names
from cfp.core.provider import host_of
from cfp.errors import Failed
from cfp.host.provider.keys import ProviderKey, checked_bearer
from cfp.host.provider.outbound import outbound_proxy, tls_context
from cfp.host.provider.request_extras import RequestExtras

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")

# Fields of Codex's request that are not copied: those about the connection, and those that are computed anew.
_DROPPED: Final = header_names.CONNECTION | header_names.RECOMPUTED | {"authorization", "content-encoding", "trailer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClient:
    """One provider as Codex would reach it.

    overrides  the key replaces Codex's own identity, and the fields pass that the worker lets pass in split mode
    environ    for HTTPS_PROXY, NO_PROXY, CODEX_CA_CERTIFICATE and their like
    """

    upstream_base: str
    key: ProviderKey | None
    environ: Mapping[str, str] = field(repr=False)
    extras: RequestExtras = field(default_factory=RequestExtras)
    overrides: bool = False
    context: ssl.SSLContext | None = None

    @property
    def host(self) -> str:
        """`host` or `host:port`, without user information."""
        return host_of(self.upstream_base)

    @property
    def proxy(self) -> str | None:
        """The outbound proxy's URL, which may hold credentials."""
        return outbound_proxy(self.upstream_base, self.environ)

    def checked(self) -> ProviderClient:
        """Return the client with a TLS context; raises Failed(upstream_tls, upstream_key_malformed; host, reason)."""
        self.authorization()
        secure = any(url.startswith("https:") for url in (self.upstream_base, self.proxy or ""))
        try:
            return replace(self, context=tls_context(self.environ) if secure else None)
        except Failed as error:
            raise Failed(error.code, host=self.host, **error.details) from error

    @property
    def query(self) -> str:
        """The provider's own query parameters with their `?`; "" without any."""
        query = urlencode([(name, secret.reveal()) for name, secret in self.extras.query])
        return f"?{query}" if query else ""

    def fields(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Return the fields of Codex's request: these, the provider's own and its key, by lower-case name.

        The provider's own that no HTTP message can carry are left out, as Codex does.
        """
        fields = {name.lower(): value for name, value in headers if name.lower() not in _DROPPED}
        for name, secret in self.extras.headers:
            if _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(secret.reveal()):
                fields[name.lower()] = secret.reveal()
        authorization = self.authorization()
        return fields if authorization is None else {**fields, "authorization": authorization}

    def authorization(self) -> str | None:
        """Return the value of Authorization, None without a key; raises Failed(upstream_key_malformed)."""
        if self.key is None:
            return None
        return checked_bearer(self.key, self.upstream_base, verbatim=not self.overrides).decode("ascii")
