"""Redirects of a provider: the new URL, and whether it lies on the provider's own origin. Pure.

References are read where RFC 3986 and the WHATWG's URL parser, which Codex has, agree. One that they could read
differently counts as unreadable, and so as elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_LONGEST: Final = 300  # characters of a URL for people
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# The characters of RFC 3986. A backslash is none: browsers take it for a slash.
_CHARACTERS: Final = re.compile(rb"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
_REFERENCE: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?"
)
_AUTHORITY: Final = re.compile(
    r"(?P<user>.*@)?(?P<host>[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,5}))?"
)


class Redirect(NamedTuple):
    """One redirect.

    target  the new request's path and query on the origin that redirects; None where it is elsewhere
    url     the new URL for people: without user information, query and fragment; "" where it cannot be read
    base    the base URL below which it would be the same request; "" where there is none
    """

    target: str | None = None
    url: str = ""
    base: str = ""


def read_redirect(locations: Sequence[bytes], url: str, base: str) -> Redirect:
    """Return where a redirect leads.

    locations  the values of its Location fields; several count as unreadable
    url, base  the URL of the request that it answers, and the provider's base URL
    """
    if len(locations) != 1 or not _CHARACTERS.fullmatch(locations[0]):
        return Redirect()
    match = _REFERENCE.fullmatch(locations[0].decode("ascii"))
    assert match is not None  # noqa: S101  every text of these characters is a reference
    old, path, query = urlsplit(url), match["path"], match["query"] or ""
    old_path = old.path or "/"
    if match["scheme"] is None and match["authority"] is None:
        if not path:
            path, query = old_path, query or (old.query and f"?{old.query}")
        elif not path.startswith("/"):
            path = old_path[: old_path.rindex("/") + 1] + path
        return _within(_without_dots(path), query, url, base)
    scheme = (match["scheme"] or old.scheme).lower()
    authority = _AUTHORITY.fullmatch(match["authority"] or "")
    if authority is None or scheme not in _DEFAULT_PORTS:
        return Redirect()
    path, root = _without_dots(path or "/"), _origin(scheme, authority["host"], authority["port"])
    if root == _origin(old.scheme, old.netloc.rpartition(":")[0] if old.port else old.netloc, old.port):
        return _within(path, query, url, base) if authority["user"] is None else Redirect()
    return _shown(root, path, old_path, base)


def _origin(scheme: str, host: str, port: str | int | None) -> str:
    number = int(port or _DEFAULT_PORTS[scheme])
    return f"{scheme}://{host.lower()}" + ("" if number == _DEFAULT_PORTS[scheme] else f":{number}")


def _within(path: str, query: str, url: str, base: str) -> Redirect:
    old = urlsplit(url)
    return _shown(f"{old.scheme}://{old.netloc}", path, old.path, base)._replace(target=path + query)


def _shown(root: str, path: str, old_path: str, base: str) -> Redirect:
    rest = old_path.removeprefix(urlsplit(base).path)
    new_base = root + path.removesuffix(rest) if rest.strip("/") and path.endswith(rest) else ""
    url = root + path
    return Redirect(None, url, new_base) if len(url) <= _LONGEST else Redirect()


def _without_dots(path: str) -> str:
    """Remove the dot segments, also escaped ones, as clients do before they send the request (WHATWG URL 4.4)."""
    out: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, 1):
        plain = segment.lower().replace("%2e", ".")
        if plain not in {".", ".."}:
            out.append(segment)
            continue
        if plain == "..":
            del out[-1:]
        if number == len(segments):
            out.append("")
    return "/" + "/".join(out)
