"""Admission: only programs on this machine that address this proxy are served, and no other site's web page."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from cfp.proxy.http.messages import RequestHead

_OWN_SITE: Final = frozenset({b"", b"none", b"same-origin"})


class Denial(enum.Enum):
    """The reasons to deny a request; the value is the error code of the response."""

    HOST = "host_not_allowed"
    ORIGIN = "origin_not_allowed"
    PEER = "peer_not_allowed"

    @property
    def reason(self) -> str:
        """The reason for the client, as a clause about the request."""
        return _REASONS[self]


_REASONS = {
    Denial.HOST: "it does not name this proxy as its host",
    Denial.ORIGIN: "a web page of another site sent it",
    Denial.PEER: "another user of this machine sent it",
}


class Admission:
    """The check of Host, Origin and Sec-Fetch-Site against our own address, on every path.

    A page that a browser loads from another site can reach loopback ports; DNS rebinding even gives our address to
    its own host name. Exact names stop both. A link on another site may lead to the dashboard's page, since that site
    cannot read it.
    """

    def __init__(self, port: int, served: str) -> None:
        """`served` is the loopback name or address that we listen at; it need not be 127.0.0.1."""
        names = {b"127.0.0.1", b"localhost", b"[::1]", (f"[{served}]" if ":" in served else served).encode()}
        self._hosts = frozenset(b"%s:%d" % (name, port) for name in names)
        self._origins = frozenset(b"http://" + host for host in self._hosts)

    def is_own(self, authority: str) -> bool:
        """Whether this host and port are ours."""
        return authority.lower().encode() in self._hosts

    def check(self, head: RequestHead, authority: bytes | None = None, *, page: bool = False) -> Denial | None:
        """Return the reason to deny a request; None admits it.

        authority  the host and port of an absolute-form target, which must be ours too
        page       the request is for the dashboard's page, to which a link of another site may lead
        """
        fields = head.fields
        if fields.get(b"host", b"").lower() not in self._hosts:
            return Denial.HOST
        if authority is not None and authority.lower() not in self._hosts:
            return Denial.HOST
        origin = fields.get(b"origin")
        if origin is not None and origin.lower() not in self._origins:
            return Denial.ORIGIN
        if fields.get(b"sec-fetch-site", b"") not in _OWN_SITE and not (page and _is_link(fields)):
            return Denial.ORIGIN
        return None


def _is_link(fields: Mapping[bytes, bytes]) -> bool:
    """Whether the request opens a page in a window, by its mode and destination (Fetch Metadata)."""
    return fields.get(b"sec-fetch-mode") == b"navigate" and fields.get(b"sec-fetch-dest") == b"document"
