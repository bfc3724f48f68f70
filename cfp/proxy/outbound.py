"""Which proxy the upstream is reached through, from the environment's usual variables. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from cfp.proxy.routing import Origin

_SCHEMES: Final = {"http": "http", "socks5": "socks5", "socks5h": "socks5", "socks4": "socks4", "socks4a": "socks4"}
_DEFAULT_PORTS: Final = {"http": 80, "socks5": 1080, "socks4": 1080}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundProxy:
    """`variable` is the name it came from, for messages: the URL itself may hold a password."""

    variable: str
    kind: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


class BadProxy(ValueError):
    """The variable's value cannot be used."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable}: {reason}")
        self.variable = variable
        self.reason = reason


def proxy_for(origin: Origin, environ: Mapping[str, str]) -> OutboundProxy | None:
    """Return the proxy for this upstream, None for a direct connection; raises BadProxy.

    Lower-case names win over upper-case ones, the scheme's own variable over ALL_PROXY. Loopback is always direct.
    """
    if is_loopback(origin.hostname) or excluded(origin, _value(environ, "no_proxy")[1]):
        return None
    for name in (f"{origin.scheme}_proxy", "all_proxy"):
        variable, url = _value(environ, name)
        if url:
            return _parse(variable, url)
    return None


def is_loopback(hostname: str) -> bool:
    if hostname == "localhost" or hostname.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def excluded(origin: Origin, no_proxy: str) -> bool:
    """Whether NO_PROXY names the upstream: `*`, a domain and what is below it, an address, a network."""
    for entry in no_proxy.replace(" ", ",").split(","):
        if not entry:
            continue
        if entry == "*" or _names(entry.lower(), origin):
            return True
    return False


def _names(entry: str, origin: Origin) -> bool:
    name = origin.hostname.lower()
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal():
        if int(port) != origin.port:
            return False
        entry = host.strip("[]")
    entry = entry.removeprefix("*").removeprefix(".")
    return name == entry or name.endswith("." + entry)


def _value(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    for variable in (name, name.upper()):
        if environ.get(variable):
            return variable, environ[variable].strip()
    return name, ""


def _parse(variable: str, url: str) -> OutboundProxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise BadProxy(variable, "it is not a URL") from error
    kind = _SCHEMES.get(parts.scheme)
    if kind is None:
        raise BadProxy(variable, "its scheme is none of http, socks4 and socks5")
    if not parts.hostname:
        raise BadProxy(variable, "it names no host")
    return OutboundProxy(
        variable=variable,
        kind=kind,
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[kind],
        username=parts.username,
        password=parts.password,
    )
