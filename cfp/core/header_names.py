"""Names of header fields that are not forwarded as they come: identity, hop-by-hop, and those a sender computes.

All names are in lower case. The worker has them as bytes (`cfp.proxy.http.headers`).
"""

from __future__ import annotations

from typing import Final

# Fields that identify the user at OpenAI: they must not leave with another provider's key.
IDENTITY: Final = frozenset(
    {"authorization", "cookie", "chatgpt-account-id", "openai-organization", "openai-project"}
)
# Fields about one connection (RFC 9110 7.6.1).
CONNECTION: Final = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
# Fields between a client and its proxy (RFC 9110 11.7).
PROXY_AUTHORIZATION: Final = "proxy-authorization"
HOP_BY_HOP: Final = CONNECTION | {"proxy-authenticate", "proxy-authentication-info", PROXY_AUTHORIZATION}
# Fields that a forwarding sender computes itself.
RECOMPUTED: Final = frozenset({"host", "content-length", "expect"})
