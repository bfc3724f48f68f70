"""The responses that the worker makes itself, as one table.

Codex shows `error.message` of a 502 after its retries and the raw body of a 400 at once (Codex 0.169). So a 502 is
for faults that may pass, and a 400 for those that the user must fix. 500 is not used: Codex hides its body.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from cfp.proxy.http.messages import Fault

_NAME: Final = "codex-fast-proxy"
_REDIRECT: Final = (
    "{host} redirects to {url}, where Codex would go around the proxy; "
    f"if the provider has moved, run `{_NAME} set-upstream --upstream-base {{base}}`"
)
_NO_DASHBOARD: Final = (
    "the program's files were deleted or replaced since this process started, so that it cannot show the dashboard; "
    f"it forwards requests as before; `{_NAME} start` gives its place to a new one"
)


class LocalResponse(enum.Enum):
    """Status, code and sentence; the sentence's placeholders never take text from a request."""

    # fmt: off
    MALFORMED         = (400, "malformed_request", "this request is not valid HTTP/1.1: {reason}")
    KEY_MISSING       = (400, "upstream_key_missing", "the provider's key is missing: {source} has no key")
    KEY_UNUSABLE      = (400, "upstream_key_unusable", "{source} has a key with a character that cannot be sent")
    CA_FILE           = (400, "ca_file_unreadable", "TLS cannot start: {reason}")
    PROXY_SETTING     = (400, "outbound_proxy_invalid", "the outbound proxy must be an http, https or socks URL")
    REDIRECT          = (400, "upstream_redirect", _REDIRECT)
    NOT_ADMITTED      = (403, "not_admitted", "this request is not allowed: {reason}")
    NOT_FOUND         = (404, "not_found", "the proxy serves nothing at this path; send requests below {base}")
    METHOD            = (405, "method_not_served", "the proxy does not serve this method")
    BODY_TOO_LARGE    = (413, "body_too_large", "the request body is larger than {limit} bytes")
    UPGRADE           = (426, "upgrade_not_served", "WebSocket is not available here; use HTTP")
    HEAD_TOO_LARGE    = (431, "head_too_large", "the request's header fields are larger than {limit} bytes")
    UNREACHABLE       = (502, "upstream_unreachable", "cannot reach {host}: {reason}")
    BROKE_OFF         = (502, "upstream_broke_off", "{host} closed the connection without a response: {reason}")
    BAD_RESPONSE      = (502, "upstream_bad_response", "{host} sent a response that is not valid HTTP/1.1: {reason}")
    OVERLOADED        = (503, "too_many_connections", "too many connections are open")
    NO_DASHBOARD      = (503, "dashboard_unavailable", _NO_DASHBOARD)
    VERSION           = (505, "http_version", "the proxy supports HTTP/1.1 and HTTP/1.0 only")
    LOOP              = (508, "proxy_loop", "the upstream URL leads back to this proxy; set it to the provider's URL")
    # fmt: on

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def code(self) -> str:
        return self.value[1]

    def body(self, **details: str | int) -> bytes:
        """Return the JSON from which Codex takes its message."""
        message = f"{_NAME}: {self.value[2].format(**details)}"
        return json.dumps({"error": {"message": message, "type": "proxy_error", "code": self.code}}).encode()


_FAULTS: Final = {
    Fault.FRAMING: LocalResponse.MALFORMED,
    Fault.METHOD: LocalResponse.METHOD,
    Fault.HEAD_TOO_LARGE: LocalResponse.HEAD_TOO_LARGE,
    Fault.CLOSED: LocalResponse.BROKE_OFF,
    Fault.VERSION: LocalResponse.VERSION,
}


def response_to(fault: Fault) -> LocalResponse:
    """Return the response for a request that cannot be parsed."""
    return _FAULTS[fault]


# RFC 9110 15.5.14; before 3.13 Python has RFC 2616's phrase.
_PHRASES: Final = {413: "Content Too Large"}


def response(
    status: int,
    body: bytes,
    *,
    close: bool,
    content_type: bytes = b"application/json",
    extra_fields: Sequence[bytes] = (),
    allow: bytes = b"GET, HEAD",
) -> bytes:
    """Return head and body of one of our own responses.

    extra_fields  more field lines
    allow         the value of Allow in a 405 (RFC 9110 15.5.6); by default the methods of our own pages
    """
    fields = [
        b"HTTP/1.1 %d %s" % (status, (_PHRASES.get(status) or HTTPStatus(status).phrase).encode()),
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"X-Content-Type-Options: nosniff",
        *extra_fields,
    ]
    if status == 405:
        fields.append(b"Allow: " + allow)
    if status == 426:
        fields.append(b"Upgrade: websocket")
    if close or status == 426:
        fields.append(b"Connection: close" if status != 426 else b"Connection: upgrade, close")
    return b"\r\n".join([*fields, b"", body])
