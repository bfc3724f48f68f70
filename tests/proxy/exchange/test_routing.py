"""The route of each path, and the admission of requests."""

from __future__ import annotations

import pytest

from cfp.proxy.exchange.admission import Admission, Denial
from cfp.proxy.exchange.routing import Destination, Route, Router, split_absolute
from cfp.proxy.http.messages import RequestHead
from cfp.proxy.upstream.origin import Origin, parse_origin


@pytest.mark.parametrize(
    ("target", "kind", "upstream"),
    [
        (b"/v1/responses", Destination.RESPONSES, b"/api/responses"),
        (b"/v1/responses?a=%2F", Destination.RESPONSES, b"/api/responses?a=%2F"),
        (b"/v1/responses/", Destination.FORWARD, b"/api/responses/"),
        (b"/v1/responses/compact", Destination.COMPACTION, b"/api/responses/compact"),
        (b"/v1/models?client_version=1", Destination.MODELS, b"/api/models?client_version=1"),
        (b"/v1/models", Destination.FORWARD, b"/api/models"),
        (b"/v1/models?limit=1", Destination.FORWARD, b"/api/models?limit=1"),
        (b"/v1/models/m?client_version=1", Destination.FORWARD, b"/api/models/m?client_version=1"),
        (b"/v1", Destination.FORWARD, b"/api"),
        (b"/v1?x", Destination.FORWARD, b"/api?x"),
        (b"/v1/%2e%2e/x", Destination.FORWARD, b"/api/%2e%2e/x"),
        (b"/v1x", Destination.NOT_FOUND, b""),
        (b"/v1/a#b", Destination.NOT_FOUND, b""),
        (b"/", Destination.NOT_FOUND, b""),
        (b"*", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/health", Destination.HEALTH, b""),
        (b"/__codex_fast_proxy/health?x", Destination.HEALTH, b""),
        (b"/__codex_fast_proxy/other", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/catalog/api/models?a=%2F", Destination.CATALOG, b"/api/models?a=%2F"),
        (b"/__codex_fast_proxy/catalog/", Destination.CATALOG, b"/"),
        (b"/__codex_fast_proxy/catalog/?x", Destination.CATALOG, b"/?x"),
        (b"/__codex_fast_proxy/catalog", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/models?client_version=1", Destination.OWN_MODELS, b"/api/models?client_version=1"),
        (b"/__codex_fast_proxy/models", Destination.OWN_MODELS, b"/api/models"),
        (b"/__codex_fast_proxy/models/x", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/models#x", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/catalogue/x", Destination.NOT_FOUND, b""),
        (b"/__codex_fast_proxy/catalog/a#b", Destination.NOT_FOUND, b""),
    ],
)
def test_targets_map_below_the_upstream(target: bytes, kind: Destination, upstream: bytes) -> None:
    """The base is replaced at a segment's boundary; the rest stays as it was sent."""
    router = Router("/v1", parse_origin("https://relay.example/api"))
    assert router.route(target) == Route(kind, target.partition(b"?")[0], upstream)


def test_an_empty_base_takes_every_path() -> None:
    """An empty base forwards every path except our own ones."""
    router = Router("", parse_origin("https://relay.example"))
    assert router.route(b"/responses").destination is Destination.RESPONSES
    assert router.route(b"/x?y") == Route(Destination.FORWARD, b"/x", b"/x?y")
    assert router.route(b"/__codex_fast_proxy/health").destination is Destination.HEALTH


@pytest.mark.parametrize(
    ("base", "hostname", "port", "field", "path"),
    [
        ("https://relay.example/v1", "relay.example", 443, b"relay.example", b"/v1"),
        ("http://relay.example:8080", "relay.example", 8080, b"relay.example:8080", b""),
        ("https://relay.example:443/a/", "relay.example", 443, b"relay.example", b"/a"),
        ("http://[::1]:9/v1", "::1", 9, b"[::1]:9", b"/v1"),
        ("http://relay.example/ü/%C3%BC|<", "relay.example", 80, b"relay.example", b"/%C3%BC/%C3%BC|%3C"),
        ("https://bücher.example", "xn--bcher-kva.example", 443, b"xn--bcher-kva.example", b""),
    ],
)
def test_origins_are_taken_apart(base: str, hostname: str, port: int, field: bytes, path: bytes) -> None:
    """An upstream URL is parsed into scheme, host name, port, Host field and base path."""
    scheme = base.partition(":")[0]
    assert parse_origin(base) == Origin(scheme=scheme, hostname=hostname, port=port, host_field=field, base_path=path)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/x", (None, b"/x")),
        (b"http://h:1/x?y", (b"h:1", b"/x?y")),
        (b"HTTP://h", (b"h", b"/")),
        (b"http://h?y=/", (b"h", b"/?y=/")),
    ],
)
def test_absolute_targets_are_split(target: bytes, expected: tuple[bytes | None, bytes]) -> None:
    """An absolute-form target, as clients send it to a proxy, is split into authority and origin-form."""
    assert split_absolute(target) == expected


def head(**fields: str) -> RequestHead:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return RequestHead(b"GET", b"/", [], named, 1, keep_alive=True, length=None, chunked=False, upgrade=False)


@pytest.mark.parametrize(
    ("fields", "authority", "expected"),
    [
        ({"host": "127.0.0.1:8787"}, None, None),
        ({"host": "LOCALHOST:8787"}, None, None),
        ({"host": "[::1]:8787"}, b"localhost:8787", None),
        ({"host": "127.0.0.1:8787", "origin": "http://localhost:8787"}, None, None),
        ({"host": "127.0.0.1:8787", "sec_fetch_site": "same-origin"}, None, None),
        ({"host": "127.0.0.1:8787", "sec_fetch_site": "none"}, None, None),
        ({}, None, Denial.HOST),
        ({"host": "127.0.0.1"}, None, Denial.HOST),
        ({"host": "127.0.0.1:8788"}, None, Denial.HOST),
        ({"host": "127.0.0.1:8787.evil.example"}, None, Denial.HOST),
        ({"host": "127.1:8787"}, None, Denial.HOST),
        ({"host": "127.0.0.1:8787"}, b"evil.example", Denial.HOST),
        ({"host": "127.0.0.1:8787", "origin": "http://127.0.0.1:3000"}, None, Denial.ORIGIN),
        ({"host": "127.0.0.1:8787", "origin": "https://127.0.0.1:8787"}, None, Denial.ORIGIN),
        ({"host": "127.0.0.1:8787", "origin": "null"}, None, Denial.ORIGIN),
        ({"host": "127.0.0.1:8787", "origin": ""}, None, Denial.ORIGIN),
        ({"host": "127.0.0.1:8787", "sec_fetch_site": "same-site"}, None, Denial.ORIGIN),
        ({"host": "127.0.0.1:8787", "sec_fetch_site": "Cross-Site"}, None, Denial.ORIGIN),
    ],
)
def test_only_exact_names_are_admitted(
    fields: dict[str, str], authority: bytes | None, expected: Denial | None
) -> None:
    """Only our own address under our own names is admitted, and no page of another origin."""
    assert Admission(8787, "127.0.0.1").check(head(**fields), authority) == expected


@pytest.mark.parametrize(
    ("served", "named", "expected"),
    [
        ("127.0.0.2", "127.0.0.2:8787", None),
        ("127.0.0.2", "localhost:8787", None),
        ("127.0.0.2", "127.0.0.3:8787", Denial.HOST),
        ("127.0.0.1", "127.0.0.2:8787", Denial.HOST),
        ("0:0:0:0:0:0:0:1", "[0:0:0:0:0:0:0:1]:8787", None),
        ("0:0:0:0:0:0:0:1", "[::1]:8787", None),
    ],
)
def test_the_address_that_is_served_is_admitted(served: str, named: str, expected: Denial | None) -> None:
    """Any loopback address may be served, and a Host with it is admitted."""
    assert Admission(8787, served).check(head(host=named)) == expected
    origin = head(host="localhost:8787", origin=f"http://{named}")
    assert Admission(8787, served).check(origin) == (expected and Denial.ORIGIN)
