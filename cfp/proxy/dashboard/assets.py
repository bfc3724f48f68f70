"""The files of the dashboard's page, and the header fields that keep a browser from loading anything else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from cfp.layout import DASHBOARD_PATH

# Only our own files, no inline script or style, no frame around the page, and no text that could become script.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
        *("require-trusted-types-for 'script'", "trusted-types 'none'"),
    )
)
FIELDS: Final = (
    b"Content-Security-Policy: " + POLICY.encode(),
    b"Referrer-Policy: no-referrer",
    b"X-Frame-Options: DENY",
    b"Cross-Origin-Opener-Policy: same-origin",
    b"Cross-Origin-Resource-Policy: same-origin",
)

_PAGE: Final = "index.html"
_TYPES: Final = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}


class File(NamedTuple):
    content_type: bytes
    body: bytes


def file_at(path: bytes) -> File | None:
    """Return the page's file at a path. Only names from the package's folder match, so no path leads out of it."""
    name = path.decode("latin-1").removeprefix(DASHBOARD_PATH).removeprefix("/")
    return _files().get(name or _PAGE)


@cache
def _files() -> dict[str, File]:
    """Return all files, which are read once: together they are smaller than one long request."""
    files = {}
    # Without importlib.resources, which takes a megabyte of memory.
    for item in Path(__file__).with_name("static").iterdir():
        kind = item.name.rpartition(".")[2]
        if kind in _TYPES:
            files[item.name] = File(_TYPES[kind], item.read_bytes())
    return files
