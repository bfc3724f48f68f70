"""Who may be served: only a program on this machine that means us, and no page of a web browser."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from cfp.proxy.http.messages import RequestHead

_OWN_SITE: Final = frozenset({b"", b"none", b"same-origin"})


class Denial(enum.Enum):
    """The value is the answer's code."""

    HOST = "host_not_allowed"
    ORIGIN = "origin_not_allowed"
    PEER = "peer_not_allowed"


class Admission:
    """Host, Origin and Sec-Fetch-Site against our own address, on every path.

    A page that a browser loads from elsewhere can reach loopback ports; DNS rebinding gives it our address under its
    own name. Exact names stop both. A link that somebody follows may lead to the dashboard's page: whoever made the
    link cannot read it.
    """

    def __init__(self, port: int, served: str) -> None:
        """`served` is the loopback name or address that we listen at, which may be another one than the usual."""
        names = {b"127.0.0.1", b"localhost", b"[::1]", (f"[{served}]" if ":" in served else served).encode()}
        self._hosts = frozenset(b"%s:%d" % (name, port) for name in names)
        self._origins = frozenset(b"http://" + host for host in self._hosts)

    def refuse(self, head: RequestHead, authority: bytes | None = None, *, page: bool = False) -> Denial | None:
        """None admits. `authority` is that of an absolute-form target, which then must be ours as well.

        page  the dashboard's page is asked for, and that may be by a link of another site
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
    """Whether a whole window goes there, by the mode and destination that browsers tell (Fetch Metadata)."""
    return fields.get(b"sec-fetch-mode") == b"navigate" and fields.get(b"sec-fetch-dest") == b"document"
