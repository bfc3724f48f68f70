"""Where a request goes: an answer of our own, or which target on the upstream."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Final, NamedTuple

from cfp.layout import API_PATH, DASHBOARD_PATH, HEALTH_PATH
from cfp.proxy.upstream.origin import Origin

_OWN: Final = HEALTH_PATH.encode().rpartition(b"/")[0] + b"/"
_HEALTH: Final = HEALTH_PATH.encode()
_DASHBOARD: Final = DASHBOARD_PATH.encode()
_DASHBOARD_BELOW: Final = (_DASHBOARD + b"/", API_PATH.encode() + b"/")
_TARGETS: Final = 64


class Destination(enum.Enum):
    HEALTH = enum.auto()
    RESPONSES = enum.auto()
    FORWARD = enum.auto()
    DASHBOARD = enum.auto()
    NOT_FOUND = enum.auto()


class Route(NamedTuple):
    """`path` is the client's, without query; `target` is what the upstream is asked for."""

    destination: Destination
    path: bytes
    target: bytes = b""


def split_absolute(target: bytes) -> tuple[bytes | None, bytes]:
    """(authority, origin-form) of `http://host/path`, which a client behind HTTP_PROXY sends (RFC 9112 3.2.2)."""
    if target[:7].lower() != b"http://":
        return None, target
    rest = target[7:]
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    path = rest[end:]
    return rest[:end], path if path.startswith(b"/") else b"/" + path


class Router:
    """Maps targets below our base to targets below the upstream's."""

    def __init__(self, proxy_base: str, origin: Origin) -> None:
        self._base = proxy_base.encode()
        self._upstream_base = origin.base_path
        self._responses = self._base + b"/responses"
        self._pages = frozenset({b"/", self._base or b"/", self._base + b"/", _DASHBOARD})
        self.page = Route(Destination.DASHBOARD, _DASHBOARD)
        self.route = lru_cache(_TARGETS)(self._route)  # a client asks for the same few targets again and again

    def asks_for_page(self, method: bytes, target: bytes, accept: bytes) -> bool:
        """Whether a browser would open the dashboard: by its own path, or at the root of what is served."""
        return method == b"GET" and target.partition(b"?")[0] in self._pages and b"text/html" in accept.lower()

    def _route(self, target: bytes) -> Route:
        """`target` is in origin-form; nothing is decoded or normalised on the way."""
        path = target.partition(b"?")[0]
        if path == _HEALTH:
            return Route(Destination.HEALTH, path)
        if path.startswith(_OWN):
            shown = path == _DASHBOARD or path.startswith(_DASHBOARD_BELOW)
            return Route(Destination.DASHBOARD if shown else Destination.NOT_FOUND, path)
        base = self._base
        behind = target[len(base) :]
        if not target.startswith(base) or behind[:1] not in {b"/", b"?", b""} or b"#" in target:
            return Route(Destination.NOT_FOUND, path)
        destination = Destination.RESPONSES if path == self._responses else Destination.FORWARD
        return Route(destination, path, self._upstream_base + behind or b"/")
