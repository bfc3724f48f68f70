"""Addresses of sockets as the kernel writes them."""

from __future__ import annotations

import _socket

V4_MAPPED = b"\0" * 10 + b"\xff\xff"


def packed(host: str) -> tuple[int, bytes]:
    """Return the family and the bytes of an address; one of IPv4 that is mapped into IPv6 is one of IPv4."""
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    address = _socket.inet_pton(family, host.partition("%")[0])
    return (_socket.AF_INET, address[12:]) if address[:12] == V4_MAPPED else (family, address)


def reached(host: str) -> set[bytes]:
    """Return the addresses at which a listener is reached by a connection to this one: itself, and the wildcards."""
    family, address = packed(host)
    wildcards = {bytes(16)} if family == _socket.AF_INET6 else {bytes(4), bytes(16), V4_MAPPED + address}
    return {address} | wildcards
