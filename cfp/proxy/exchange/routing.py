"""The route of a request: a response of our own, or a target on the upstream."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import Final, NamedTuple

from cfp.layout import API_PATH, CATALOG_PATH, DASHBOARD_PATH, HEALTH_PATH, MODELS_PATH
from cfp.proxy.upstream.origin import Origin

_OWN: Final = HEALTH_PATH.encode().rpartition(b"/")[0] + b"/"
_HEALTH: Final = HEALTH_PATH.encode()
_DASHBOARD: Final = DASHBOARD_PATH.encode()
_DASHBOARD_BELOW: Final = (_DASHBOARD + b"/", API_PATH.encode() + b"/")
_CATALOG: Final = CATALOG_PATH.encode()
_OWN_MODELS: Final = MODELS_PATH.encode()
_FOR_CODEX: Final = b"/models?client_version="
_TARGETS: Final = 64


class Destination(enum.Enum):
    HEALTH = enum.auto()
    RESPONSES = enum.auto()
    COMPACTION = enum.auto()  # a model request too, which Codex 0.98 to 0.130 sends to a path of its own
    FORWARD = enum.auto()
    CATALOG = enum.auto()
    MODELS = enum.auto()
    OWN_MODELS = enum.auto()
    DASHBOARD = enum.auto()
    NOT_FOUND = enum.auto()


class Route(NamedTuple):
    """The route: `path` is the client's, without query; `target` is the request target for the upstream.

    CATALOG is the provider's model catalogue, at any path of the upstream's origin; it is only read.
    MODELS is the list of its models for a Codex, which names its version; OWN_MODELS the same at an address of ours.
    """

    destination: Destination
    path: bytes
    target: bytes = b""


def split_absolute(target: bytes) -> tuple[bytes | None, bytes]:
    """Return (authority, origin-form) of `http://host/path`, which clients with HTTP_PROXY send (RFC 9112 3.2.2)."""
    if target[:7].lower() != b"http://":
        return None, target
    rest = target[7:]
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    path = rest[end:]
    return rest[:end], path if path.startswith(b"/") else b"/" + path


class Router:
    """Map targets below our base path to targets below the upstream's."""

    def __init__(self, proxy_base: str, origin: Origin) -> None:
        self._base = proxy_base.encode()
        self._upstream_base = origin.base_path
        self._models = {
            self._base + b"/responses": Destination.RESPONSES,
            self._base + b"/responses/compact": Destination.COMPACTION,
        }
        self._pages = frozenset({b"/", self._base or b"/", self._base + b"/", _DASHBOARD})
        self.page = Route(Destination.DASHBOARD, _DASHBOARD)
        self.route = lru_cache(_TARGETS)(self._route)  # a client requests the same few targets again and again

    def is_page_request(self, method: bytes, target: bytes, accept: bytes) -> bool:
        """Whether a browser requests the dashboard's page, by its own path or at the root."""
        return method == b"GET" and target.partition(b"?")[0] in self._pages and b"text/html" in accept.lower()

    def client_target(self, route: Route, target: bytes) -> bytes | None:
        """Return the client's target that leads to this one of the upstream; None where the route has none."""
        if route.destination is Destination.CATALOG:
            return _CATALOG + target
        base = self._upstream_base
        rest = target[len(base) :]
        return self._base + rest if target.startswith(base) and rest[:1] in {b"/", b"?", b""} else None

    def _route(self, target: bytes) -> Route:
        """Return the route of a target in origin-form, which is neither decoded nor normalised."""
        path = target.partition(b"?")[0]
        if path == _HEALTH:
            return Route(Destination.HEALTH, path)
        if path.startswith(_OWN):
            if path.startswith(_CATALOG + b"/") and b"#" not in target:
                return Route(Destination.CATALOG, path, target[len(_CATALOG) :])
            if path == _OWN_MODELS and b"#" not in target:
                rest = target[len(path) :]
                return Route(Destination.OWN_MODELS, path, self._upstream_base + b"/models" + rest)
            is_dashboard = path == _DASHBOARD or path.startswith(_DASHBOARD_BELOW)
            return Route(Destination.DASHBOARD if is_dashboard else Destination.NOT_FOUND, path)
        base = self._base
        rest = target[len(base) :]
        if not target.startswith(base) or rest[:1] not in {b"/", b"?", b""} or b"#" in target:
            return Route(Destination.NOT_FOUND, path)
        destination = self._models.get(path, Destination.FORWARD)
        if rest.startswith(_FOR_CODEX):
            destination = Destination.MODELS
        return Route(destination, path, self._upstream_base + rest or b"/")
