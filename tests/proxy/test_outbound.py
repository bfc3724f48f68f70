"""Which proxy leads to the upstream, and that none leads to loopback."""

from __future__ import annotations

import pytest

from cfp.proxy.outbound import BadProxy, OutboundProxy, proxy_for
from cfp.proxy.routing import origin_of

HTTPS = origin_of("https://relay.example/v1")
HTTP = origin_of("http://relay.example:8080/v1")


def chosen(base: str, **environ: str) -> str | None:
    found = proxy_for(origin_of(base), environ)
    return None if found is None else f"{found.variable} {found.kind} {found.host}:{found.port}"


@pytest.mark.parametrize(
    ("base", "environ", "expected"),
    [
        ("https://a", {}, None),
        ("https://a", {"HTTPS_PROXY": "http://p:3128"}, "HTTPS_PROXY http p:3128"),
        ("https://a", {"HTTP_PROXY": "http://p:3128"}, None),
        ("http://a", {"HTTP_PROXY": "p:3128"}, "HTTP_PROXY http p:3128"),
        ("https://a", {"ALL_PROXY": "socks5h://p"}, "ALL_PROXY socks5 p:1080"),
        ("https://a", {"ALL_PROXY": "socks5://p", "https_proxy": "http://q"}, "https_proxy http q:80"),
        ("https://a", {"HTTPS_PROXY": "http://p", "https_proxy": "http://q"}, "https_proxy http q:80"),
        ("https://a", {"HTTPS_PROXY": ""}, None),
        ("http://127.0.0.1:1", {"ALL_PROXY": "http://p"}, None),
        ("http://[::1]:1", {"ALL_PROXY": "http://p"}, None),
        ("http://localhost:1", {"ALL_PROXY": "http://p"}, None),
    ],
)
def test_the_usual_variables_choose(base: str, environ: dict[str, str], expected: str | None) -> None:
    """Lower case over upper case, the scheme's own over ALL_PROXY, loopback never."""
    assert chosen(base, **environ) == expected


@pytest.mark.parametrize(
    ("no_proxy", "base", "direct"),
    [
        ("*", "https://relay.example", True),
        ("relay.example", "https://relay.example", True),
        (".example", "https://relay.example", True),
        ("*.example", "https://relay.example", True),
        ("example", "https://relay.example", True),
        ("lay.example", "https://relay.example", False),
        ("other, relay.example:443", "https://relay.example", True),
        ("relay.example:8443", "https://relay.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("fd00::/8", "https://[fd00::1]", True),
        ("RELAY.example", "https://relay.example", True),
        ("", "https://relay.example", False),
    ],
)
def test_no_proxy_excludes(no_proxy: str, base: str, *, direct: bool) -> None:
    """Names, what is below them, addresses and networks, with or without a port."""
    assert (chosen(base, ALL_PROXY="http://p", NO_PROXY=no_proxy) is None) == direct


@pytest.mark.parametrize("url", ["https://p", "ftp://p", "http://", "http://p:port", "socks5://[x"])
def test_what_cannot_be_used_is_said(url: str) -> None:
    """By the variable's name, without its value."""
    with pytest.raises(BadProxy) as caught:
        proxy_for(HTTPS, {"HTTPS_PROXY": url})
    assert caught.value.variable == "HTTPS_PROXY"


def test_passwords_are_not_shown() -> None:
    """A proxy's credentials are used, and appear in no representation."""
    found = proxy_for(HTTP, {"http_proxy": "http://user:canary@p:1"})
    assert found == OutboundProxy(
        variable="http_proxy", kind="http", host="p", port=1, username="user", password="canary"
    )
    assert "canary" not in repr(found)
