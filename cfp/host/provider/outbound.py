"""The way out of this machine: the outbound proxy of the environment, and the TLS trust."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from cfp.errors import Failed
from cfp.variables import variables_of

_PORTS = {"http": 80, "https": 443}
_FROM_DOTENV = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"})
_CA_VARIABLES = ("CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")


def outbound_environ(environ: Mapping[str, str], dotenv: bytes | None) -> Mapping[str, str]:
    """Return the environment with the proxies and authorities of $CODEX_HOME/.env, which Codex prefers.

    Keys of the file are not part of it: they are looked up when they are needed.
    """
    if dotenv is None:
        return environ
    from cfp.host.provider.dotenv import parse_dotenv  # noqa: PLC0415  few homes have one, and listening needs none

    variables = parse_dotenv(dotenv, environ)
    return variables_of(environ, {name: value for name, value in variables.items() if name.lower() in _FROM_DOTENV})


def outbound_proxy(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy's URL for `url`, which may hold credentials, or None for a direct connection.

    https_proxy or http_proxy by scheme, else all_proxy; lower case before upper. no_proxy exempts hosts, and a
    loopback address is never proxied. The worker applies the same rules.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if is_loopback(host) or _is_excepted(host, port, _variable("no_proxy", environ)):
        return None
    proxy = _variable(f"{parts.scheme}_proxy", environ) or _variable("all_proxy", environ)
    return None if not proxy else proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def is_loopback(host: str) -> bool:
    """Whether the name stands for this machine; no name is resolved."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether no_proxy lists the host: by `*`, address, network or domain (with subdomains); `:port` may follow."""
    return any(entry == "*" or _names(entry, host, port) for entry in no_proxy.lower().replace(",", " ").split())


def _names(entry: str, host: str, port: int) -> bool:
    address = _address(host)
    if address is not None and _holds(entry, address):
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal():
        return int(digits) == port and _names(name, host, port)
    domain = entry.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(domain) and address is None and (host == domain or host.endswith(f".{domain}"))


def _holds(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trust the system's authorities, and those of CODEX_CA_CERTIFICATE or else SSL_CERT_FILE; TLS 1.2 at least.

    Raises Failed(upstream_tls; reason) where that file cannot be used: without it, requests would only fail later.
    """
    import truststore  # noqa: PLC0415 - http upstreams do without

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name in _CA_VARIABLES:
        path = environ.get(name)
        if path:
            try:
                context.load_verify_locations(cafile=path)
            except OSError as error:  # ssl.SSLError is one
                raise Failed("upstream_tls", reason=f"{name} names a file that cannot be used") from error
            break
    return context
