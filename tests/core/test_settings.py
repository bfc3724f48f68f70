"""Settings are parsed once and valid from then on."""

from __future__ import annotations

import ipaddress
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.settings import (
    Policy,
    Settings,
    is_same_value,
    loopback_port,
    parse_settings,
    settings_from_json,
    upstream_url,
    validate,
)
from cfp.errors import Refused
from journal.values import ABSENT, Absent, Json
from tests.strategies import valid_settings


@given(valid_settings())
def test_what_is_written_is_what_is_read(one: Settings) -> None:
    """Serialising and parsing settings is the identity."""
    assert parse_settings(one.serialise()) == one


def test_base_url_brackets_ipv6() -> None:
    """RFC 3986 3.2.2: an IPv6 host stands in brackets."""
    assert Settings(provider="p", upstream_base="https://a", host="::1").base_url == "http://[::1]:8787/v1"


@pytest.mark.parametrize(
    ("raw", "policy"),
    [
        ({}, Policy.INJECT_MISSING),
        ({"upstream_api_key_env": "KEY"}, Policy.PRESERVE),
        ({"upstream_api_key_file": True}, Policy.PRESERVE),
        ({"upstream_api_key_env": ""}, Policy.INJECT_MISSING),
        ({"service_tier_policy": "auto"}, Policy.AUTO),
    ],
)
def test_settings_from_before_policies(raw: dict[str, Any], policy: Policy) -> None:
    """Settings without a policy injected for everyone, unless the provider's key was split off."""
    data = {"provider": "p", "upstream_base": "https://a.example/v1", **raw}
    assert parse_settings(json.dumps(data).encode()).service_tier_policy is policy


def test_a_policy_that_is_none_is_told_which_there_are() -> None:
    """Whoever mistyped one need not look further."""
    with pytest.raises(Refused) as caught:
        settings_from_json({"provider": "p", "upstream_base": "https://a.example/v1", "service_tier_policy": "fast"})
    assert caught.value.details["reason"] == f"service_tier_policy must be one of {', '.join(Policy)}"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"upstream_api_key_env": "A", "upstream_api_key_file": True}, "two_auth_sources"),
        ({"service_tier_policy": "sometimes"}, "settings_invalid"),
        ({"upstream_api_key_env": "sk-live-key"}, "invalid_env_name"),
        ({"host": "0.0.0.0"}, "host_not_loopback"),
        ({"host": "example.org"}, "host_not_loopback"),
        ({"port": True}, "settings_invalid"),
        ({"port": 0}, "invalid_settings"),
        ({"port": 65536}, "invalid_settings"),
        ({"proxy_base": "v1"}, "invalid_settings"),
        ({"upstream_base": "http://127.0.0.1:8787/v1"}, "upstream_is_proxy"),
        ({"upstream_base": "http://localhost:8787"}, "upstream_is_proxy"),
        ({"upstream_base": 7}, "settings_invalid"),
        ({"provider": ""}, "invalid_settings"),
    ],
)
def test_settings_that_cannot_be_served(raw: dict[str, Any], code: str) -> None:
    """Each wrong value has its own code; no value is repaired in silence."""
    data = {"provider": "p", "upstream_base": "https://a.example/v1", "service_tier_policy": "auto", **raw}
    with pytest.raises(Refused) as refused:
        parse_settings(json.dumps(data).encode())
    assert refused.value.code == code


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000])
def test_settings_that_are_no_object(data: bytes) -> None:
    """A damaged file is a refusal, never a traceback."""
    with pytest.raises(Refused) as refused:
        parse_settings(data)
    assert refused.value.code == "settings_invalid"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@a.example/v1",
        "https://a.example/v1?key=secret",
        "https://a.example/v1?",
        "https://a.example/v1#x",
        "https://a.example/v1#",
        "ftp://a.example",
        "a.example/v1",
        "https:///v1",
        "https://a.example:port/v1",
        "https://a.example:0/v1",
        "https://a.exa mple/v1",
        "https://a.example/\r\nv1",
        "https://[::1/v1",
        "",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    """A URL that carries secrets or cannot be dialled is refused, and its text is not repeated."""
    with pytest.raises(Refused) as refused:
        upstream_url(url)
    assert refused.value.code == "invalid_upstream_url"
    assert "secret" not in str(refused.value.details)


def test_urls_lose_trailing_slashes_and_white_space_only() -> None:
    """Codex joins paths by hand, so one form is stored."""
    assert upstream_url(" https://A.example:8443/v1// ") == "https://A.example:8443/v1"


@given(valid_settings())
def test_valid_settings_stay_valid(one: Settings) -> None:
    """Validation changes nothing."""
    assert validate(one) is one


NUMBERS = st.one_of(st.integers(0, 2**32 - 1), st.integers(0x7F000000, 0x7FFFFFFF), st.integers(0, 300))
WRITTEN = st.sampled_from(["{}", "0x{:x}", "0x{:08x}", "0{:o}"])


@given(st.lists(st.tuples(NUMBERS, WRITTEN), min_size=1, max_size=5))
def test_a_number_leads_here_where_the_system_reads_it_so(numbers: list[tuple[int, str]]) -> None:
    """inet_aton(3) and the URL parser of Codex read one to four numbers, in three bases, as an IPv4 address."""
    host = ".".join(written.format(number) for number, written in numbers)
    try:
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        leads_here = False
    else:
        leads_here = address.is_loopback or int(address) == 0
    assert (loopback_port(f"http://{host}:8701/v1") is not None) == leads_here


@pytest.mark.parametrize(
    "host", ["[::ffff:7f00:1]", "[::FFFF:127.0.0.1]", "[::]", "[0:0::1]", "localhost.localdomain."]
)
def test_a_longer_name_of_this_machine_leads_here(host: str) -> None:
    """An IPv4 address inside an IPv6 one is an IPv4 address to the kernel."""
    assert loopback_port(f"http://{host}:8701/v1") == 8701


@pytest.mark.parametrize("host", ["128.0.0.1", "[::2]", "[::ffff:1.2.3.4]", "localhost.example", "127.0.0.1.example"])
def test_another_machine_is_not_this_one(host: str) -> None:
    """Nothing of ours is looked for there."""
    assert loopback_port(f"http://{host}:8701/v1") is None


SPELLINGS = ("http://127.0.0.1:8701/v1", "HTTP://LOCALHOST:8701/v1", "http://[::1]:8701/v1/", "http://127.1:8701")


@pytest.mark.parametrize("now", SPELLINGS)
@pytest.mark.parametrize("written", SPELLINGS)
def test_another_spelling_of_an_address_is_the_same_value(now: str, written: str) -> None:
    """A provider whose address is written otherwise has not moved."""
    assert is_same_value(now, written)


@pytest.mark.parametrize(
    ("now", "written"),
    [
        ("http://127.0.0.1:8702/v1", SPELLINGS[0]),
        ("https://relay.example/v1", SPELLINGS[0]),
        (SPELLINGS[0], "https://relay.example/v1"),
        ("https://relay.example/v1/", "https://relay.example/v1"),
        (ABSENT, SPELLINGS[0]),
        (True, False),
    ],
)
def test_any_other_difference_is_another_value(now: Json | Absent, written: Json | Absent) -> None:
    """It is somebody's choice, and stays."""
    assert not is_same_value(now, written)
