"""Names of header fields: those that pass to the provider in split mode, and those that never pass as they come.

In split mode the proxy sends the provider's own key (settings.overrides_auth). A field then passes where Codex also
sends it without a login, where it is HTTP's own, or where the user set it for the provider; every other field stays
here, so that a field that a later Codex adds for a login does not reach the provider either.

All names are in lower case. The worker has them as bytes (`cfp.proxy.http.headers`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# Fields that Codex fills from the login, from the App's attestation or from a managed account. It writes
# chatgpt-account-id, x-openai-fedramp and x-oai-attestation over a value of the user's own (0.130 to 0.171), so that
# the user's naming one of these does not let it pass.
LOGIN: Final = frozenset(
    {
        "authorization",
        "chatgpt-account-id",
        "x-oai-attestation",
        "x-openai-account-routing-override",
        "x-openai-agent-assertion",
        "x-openai-fedramp",
        "x-openai-internal-codex-residency",
        "oai-product-sku",
        "x-openai-product-sku",
    }
)
# Fields that identify the user at OpenAI: those, and others that a user can also have for another provider.
IDENTITY: Final = LOGIN | {"cookie", "openai-organization", "openai-project"}
# Fields about one connection (RFC 9110 7.6.1).
CONNECTION: Final = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
# Fields between a client and its proxy (RFC 9110 11.7).
PROXY_AUTHORIZATION: Final = "proxy-authorization"
HOP_BY_HOP: Final = CONNECTION | {"proxy-authenticate", "proxy-authentication-info", PROXY_AUTHORIZATION}
# Fields that a forwarding sender computes itself.
RECOMPUTED: Final = frozenset({"host", "content-length", "expect"})
# Via is extended; neither leg of a WebSocket has extensions; in split mode there are no trailer fields.
_REWRITTEN: Final = frozenset({"via", "sec-websocket-extensions", "trailer"})

# End-to-end request fields that say nothing of the person: content, negotiation, conditions and caching (RFC 9110,
# RFC 9111), priority (RFC 9218), digests (RFC 9530), WebSocket (RFC 6455), and a key that makes a retry recognisable.
_HTTP: Final = frozenset(
    {
        *("accept", "accept-encoding", "content-type", "content-encoding", "content-language", "user-agent"),
        *("cache-control", "pragma", "range", "content-range", "date", "priority"),
        *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"),
        *("content-digest", "repr-digest", "idempotency-key"),
        *("sec-websocket-key", "sec-websocket-version"),
    }
)
# Fields that Codex 0.130, 0.150 and 0.171 send without a login, to a custom provider and to the built-in one with an
# API key: turns, compaction, reviews, spawned agents, images, searches, memories and WebSocket handshakes. Those with
# an underscore are 0.130's. x-codex-routing-hint is sent with a ChatGPT login only; it has the model and the tier, as
# the body has.
_CODEX: Final = frozenset(
    {
        *("originator", "version", "openai-beta", "x-client-request-id"),
        *("session-id", "thread-id", "session_id", "thread_id"),
        *("x-codex-beta-features", "x-codex-image-turn-id", "x-codex-installation-id", "x-codex-parent-thread-id"),
        *("x-codex-routing-hint", "x-codex-turn-metadata", "x-codex-turn-state", "x-codex-window-id"),
        *("x-openai-internal-codex-responses-lite", "x-openai-memgen-request", "x-openai-subagent"),
        "x-responsesapi-include-timing-metrics",
    }
)
PASSING: Final = _HTTP | _CODEX


def passing_fields(names: Iterable[str] = ()) -> frozenset[str]:
    """Return the fields that pass in split mode.

    names  the fields that the user set for the provider (http_headers, env_http_headers), in any case
    """
    return PASSING | ({name.lower() for name in names} - LOGIN - HOP_BY_HOP - RECOMPUTED - _REWRITTEN)
