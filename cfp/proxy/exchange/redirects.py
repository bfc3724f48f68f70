"""The Location of a redirect, rewritten so that the client stays inside the proxy.

A client that follows a redirect to another origin goes around the proxy, with the account's id and, after a 307 or a
308, with the whole body (Codex 0.130 to 0.171). So only a redirect that a target of ours leads to is passed on.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from cfp.host.provider.redirects import read_redirect
from cfp.proxy.exchange.interfaces import WorkerServices
from cfp.proxy.exchange.routing import Route
from cfp.proxy.http.messages import RequestHead, ResponseHead

_LOCATION: Final = b"location"


def rewrite_location(
    services: WorkerServices, request: RequestHead, route: Route, head: ResponseHead
) -> dict[str, str] | None:
    """Set the Location to the proxy's own URL; return the details of the error where there is none."""
    origin = services.origin
    root = f"{origin.scheme}://{origin.host_field.decode()}"
    locations = [value for key, _, value in head.headers if key == _LOCATION]
    redirect = read_redirect(locations, root + route.target.decode("latin-1"), root + origin.base_path.decode())
    target = None if redirect.target is None else services.router.client_target(route, redirect.target.encode())
    if target is None:
        base = "" if services.admission.is_own(urlsplit(redirect.url).netloc) else redirect.base
        url = redirect.url or "an address that cannot be read"
        return {"host": origin.host_field.decode(), "url": url, "base": base or "URL"}
    location = b"http://" + request.fields[b"host"] + target  # admission has checked that this host is ours
    head.headers = [(key, name, location if key == _LOCATION else value) for key, name, value in head.headers]
    return None
