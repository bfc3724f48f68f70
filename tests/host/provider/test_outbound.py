"""The way out: proxies of the environment and trusted authorities."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cfp.errors import Failed
from cfp.host.provider.outbound import is_loopback, outbound_environ, outbound_proxy, tls_context
from cfp.variables import variables_of

PROXIES = {"http_proxy": "http://p1:1", "https_proxy": "p2:2", "all_proxy": "socks5://p3:3"}


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://r.example/v1", {}, None),
        ("https://r.example/v1", PROXIES, "http://p2:2"),
        ("http://r.example/v1", PROXIES, "http://p1:1"),
        ("https://r.example/v1", {"ALL_PROXY": "socks5://p3:3"}, "socks5://p3:3"),
        ("https://r.example/v1", {"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}, "http://lower"),
        ("https://r.example/v1", {"HTTPS_PROXY": "", "ALL_PROXY": " "}, None),
        ("https://r.example/v1", {"HTTP_PROXY": "http://p1:1"}, None),
        *(
            (f"http://{host}:8000/v1", PROXIES, None)
            for host in ("127.0.0.1", "127.8.9.1", "localhost", "a.localhost", "[::1]")
        ),
    ],
)
def test_which_proxy(url: str, environ: dict[str, str], expected: str | None) -> None:
    """The scheme's own variable, then all_proxy; loopback never."""
    assert expected == outbound_proxy(url, environ)


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("r.example", "r.example", True),
        ("a.r.example", "r.example", True),
        ("a.r.example", " other , .R.example", True),
        ("a.r.example", "*.r.example", True),
        ("ar.example", "r.example", False),
        ("r.example", "*", True),
        ("r.example", "", False),
        ("r.example", ",.,", False),
        ("r.example", "r.example:443", True),
        ("r.example", "r.example:8443", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.7", "192.0.3.0/24", False),
        ("192.0.2.7", "2.7", False),
        ("[2001:db8::7]", "2001:db8::/32", True),
        ("[2001:db8::7]", "[2001:db8::7]:443", True),
    ],
)
def test_no_proxy(host: str, no_proxy: str, direct: bool) -> None:  # noqa: FBT001 - a column of the table
    """Domains with all below them, addresses, networks, ports and the star."""
    environ = {"https_proxy": "http://p:1", "no_proxy": no_proxy}
    assert (None if direct else "http://p:1") == outbound_proxy(f"https://{host}/v1", environ)


def test_codexs_own_file_comes_first() -> None:
    """The proxies and authorities of .env replace those of the environment, as in Codex; no other variable does."""
    dotenv = (
        b'HTTPS_PROXY=http://p:2\nno_proxy="a.example,b.example"\nSSL_CERT_FILE=/ca\n'
        b"RELAY_KEY=k\nCODEX_CA_CERTIFICATE=/x\n"
    )
    environ = {"HTTPS_PROXY": "http://p:1", "RELAY_KEY": "old"}
    merged = outbound_environ(environ, dotenv)
    assert merged == variables_of(
        {
            "HTTPS_PROXY": "http://p:2",
            "no_proxy": "a.example,b.example",
            "SSL_CERT_FILE": "/ca",
            "RELAY_KEY": "old",
        }
    )
    assert outbound_environ(environ, None) == environ


def test_loopback_is_recognised_without_a_resolver() -> None:
    """A name that only resolves to this machine does not count."""
    assert [True, False, False] == [is_loopback(host) for host in ("::1", "r.example", "localhost.example")]


@pytest.mark.parametrize("name", ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unusable_authority_file_is_told(name: str, content: str | None, tmp_path: Path) -> None:
    """Going on without it would fail later with a message about the provider."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Failed) as caught:
        tls_context({name: str(path)})
    assert (caught.value.code, caught.value.details) == (
        "upstream_tls",
        {"reason": f"{name} names a file that cannot be used"},
    )


def test_certificates_are_always_checked() -> None:
    """There is no unverified mode."""
    context = tls_context({"CODEX_CA_CERTIFICATE": ""})
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
