"""The provider's base URL taken apart: where to connect, and how Host and the request target begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

# What Codex's own URLs leave as it is there (WHATWG URL 1.3); a percent sign stands for an escape already.
_IN_A_PATH: Final = "".join(sorted({chr(code) for code in range(33, 127)} - set('"<>`{}')))
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One upstream: where to connect, what Host to say, which path its base URL has."""

    scheme: str
    hostname: str
    port: int
    host_field: bytes
    base_path: bytes

    @property
    def bare_host(self) -> bytes:
        """As it stands before a port."""
        return b"[%s]" % self.hostname.encode() if ":" in self.hostname else self.hostname.encode()

    @property
    def tls(self) -> bool:
        return self.scheme == "https"


def parse_origin(base: str) -> Origin:
    """Take a validated base URL apart."""
    parts = urlsplit(base)
    name = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    shown = f"[{name}]" if ":" in name else name
    if port != _DEFAULT_PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    return Origin(
        scheme=parts.scheme,
        hostname=name,
        port=port,
        host_field=shown.encode(),
        base_path=quote(parts.path.rstrip("/"), safe=_IN_A_PATH).encode(),
    )
