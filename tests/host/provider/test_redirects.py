"""Redirects of a provider, against two other URL parsers."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.host.provider.redirects import Redirect, read_redirect

BASE = "https://api.example/v1"
URL = f"{BASE}/responses?a=b"
HOSTS = st.sampled_from(
    [
        "api.example",
        "API.EXAMPLE",
        "other.example",
        "api.example.",
        "api.example.evil",
        "127.0.0.1",
        "[::1]",
        "2130706433",
    ]
)
PORTS = st.sampled_from(["", ":", ":443", ":80", ":8443", ":0443"])
USERS = st.sampled_from(["", "", "", "user@", "user:secret@", "api.example@", "@"])
SCHEMES = st.sampled_from(["https:", "HTTPS:", "http:", "ftp:", "javascript:", ""])
PATHS = st.lists(st.sampled_from(["v1", "responses", "..", ".", "%2e%2E", "", "x%2Fy", "a:b", "\\"]), max_size=5)
REFERENCES = st.builds(
    "{}{}{}{}{}".format,
    SCHEMES,
    st.sampled_from(["//", "//", "", "///", "/\\", "\\\\", "/"]),
    st.builds("{}{}{}".format, USERS, HOSTS, PORTS) | st.just(""),
    PATHS.map(lambda parts: "".join(f"/{part}" for part in parts)) | PATHS.map("/".join),
    st.sampled_from(["", "?q=1", "#f", "?q=1#f", "?//evil.example"]),
)


def of(location: str | bytes, url: str = URL, base: str = BASE) -> Redirect:
    return read_redirect([location.encode() if isinstance(location, str) else location], url, base)


@given(REFERENCES)
@example("//api.example:443/v1/x")
def test_a_redirect_that_stays_is_one_for_every_parser(reference: str) -> None:
    """Origin and target are those of urllib and httpx; a target that they see elsewhere never counts as staying."""
    target = of(reference).target
    if target is None:
        return
    assert target.startswith("/")
    for joined in (urljoin(URL, reference), str(httpx.URL(URL).join(reference))):
        parts = httpx.URL(joined)
        assert ("https", "api.example", None) == (parts.scheme, parts.host, parts.port)
        assert "@" not in urlsplit(joined).netloc
    path = httpx.URL(URL).join(reference).path  # httpx unescapes it
    if "%2e" not in reference.lower() and "//" not in target:
        assert path == httpx.URL(f"https://api.example{target}").path


@given(st.binary(max_size=40) | REFERENCES.map(str.encode))
def test_what_is_shown_names_no_secret_and_breaks_no_line(location: bytes) -> None:
    """A URL for people has no user information, query or fragment, and no character outside visible ASCII."""
    redirect = of(location)
    for text in (redirect.url, redirect.base):
        assert not set(text) - {chr(code) for code in range(33, 127)}
        parts = urlsplit(text)
        assert ("", "") == (parts.query, parts.fragment)
        assert "@" not in parts.netloc
        assert parts.scheme in {"", "http", "https"}
    if redirect.target is not None:
        assert not set(redirect.target) - {chr(code) for code in range(33, 127)}


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://api.example/v1/responses/", "/v1/responses/"),
        ("HTTPS://Api.Example:443/v2", "/v2"),
        ("https://api.example", "/"),
        ("//api.example/v1/x?q=1#f", "/v1/x?q=1"),
        ("/v1/x", "/v1/x"),
        ("x?q", "/v1/x?q"),
        ("../v2/responses", "/v2/responses"),
        ("/v1/%2e%2E/admin", "/admin"),
        ("/v1/./x/..", "/v1/"),
        ("?c=d", "/v1/responses?c=d"),
        ("", "/v1/responses?a=b"),
        ("#f", "/v1/responses?a=b"),
        ("/%2F/evil.example", "/%2F/evil.example"),
    ],
)
def test_a_redirect_on_the_same_origin(location: str, target: str) -> None:
    """Its target, as a client would request it."""
    assert target == of(location).target


@pytest.mark.parametrize(
    ("location", "url", "base"),
    [
        ("https://new.example/v1/responses", "https://new.example/v1/responses", "https://new.example/v1"),
        ("https://new.example/api/responses?key=s#f", "https://new.example/api/responses", "https://new.example/api"),
        (
            "https://user:secret@new.example:443/v1/responses",
            "https://new.example/v1/responses",
            "https://new.example/v1",
        ),
        ("http://api.example/v1/responses", "http://api.example/v1/responses", "http://api.example/v1"),
        ("https://api.example:8443/login", "https://api.example:8443/login", ""),
        ("//new.example", "https://new.example/", ""),
    ],
)
def test_a_redirect_elsewhere(location: str, url: str, base: str) -> None:
    """The URL for the error, and the base URL that would reach it."""
    assert Redirect(None, url, base) == of(location)


@pytest.mark.parametrize(
    "location",
    [
        b"https:///evil.example/v1",
        b"///evil.example",
        b"/\\evil.example",
        b"\\\\evil.example",
        b"https:evil.example",
        b"https:/evil.example",
        b"javascript:alert(1)",
        b"file:///etc/passwd",
        b"https://user@api.example/v1/responses",
        b"https://api.example%2eevil.example/",
        "https://api.ex\u00e4mple/".encode(),
        "https://api.example/\u00e4".encode(),
        b"https://api.example/\x00",
        b"https://api.example/\tx",
        b"https://api.example/ x",
        b"https://api.example:99999999/",
        b"https://" + b"a" * 400,
    ],
)
def test_a_redirect_that_cannot_be_read(location: bytes) -> None:
    """It counts as elsewhere."""
    assert Redirect() == of(location)


def test_several_locations_count_as_unreadable() -> None:
    """Clients differ in which one they follow."""
    assert Redirect() == read_redirect([b"/v1/x", b"/v1/x"], URL, BASE)
    assert Redirect() == read_redirect([], URL, BASE)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9001", "http://[::1]:9001", "http://api.example"])
def test_other_origins(origin: str) -> None:
    """Loopback providers have ports, and IPv6 addresses brackets."""
    url, base = f"{origin}/responses", origin
    assert "/x" == of(f"{origin}/x", url, base).target
    assert None is of(f"{origin.replace('http:', 'https:')}/x", url, base).target
    assert None is of("http://127.0.0.1:9002/x", url, base).target
