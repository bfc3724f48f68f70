"""The parts of the provider's base URL: the address, the Host field and the prefix of request targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

# Characters that stay unescaped in the paths of Codex's own URLs (WHATWG URL 1.3); a percent sign begins an escape.
_PATH_SAFE: Final = "".join(sorted({chr(code) for code in range(33, 127)} - set('"<>`{}')))
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One upstream.

    hostname    without brackets, in ASCII
    host_field  the value of Host: with a port where it is not the scheme's default
    base_path   without a trailing slash, percent-encoded
    """

    scheme: str
    hostname: str
    port: int
    host_field: bytes
    base_path: bytes

    @property
    def bare_host(self) -> bytes:
        """The host name as it is written before a port: an IPv6 address in brackets."""
        return b"[%s]" % self.hostname.encode() if ":" in self.hostname else self.hostname.encode()

    @property
    def tls(self) -> bool:
        return self.scheme == "https"


def parse_origin(base: str) -> Origin:
    """Parse a base URL that has been validated."""
    parts = urlsplit(base)
    name = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    host = f"[{name}]" if ":" in name else name
    if port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    return Origin(
        scheme=parts.scheme,
        hostname=name,
        port=port,
        host_field=host.encode(),
        base_path=quote(parts.path.rstrip("/"), safe=_PATH_SAFE).encode(),
    )
