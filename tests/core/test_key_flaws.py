"""Flaws of keys: what is sent is never flawed but by quotes, and what cannot be sent always has a flaw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.keys.bearer import bearer, is_key
from cfp.core.keys.flaws import KeyFlaw, flaw_of_header, flaw_of_key, may_be_a_key
from cfp.core.route_report import is_unencrypted
from cfp.messages.identities import FLAWS

TEXTS = st.text(st.one_of(st.sampled_from(" \t\r\n\"'`\x7f\x00“”\ufeffBearer sk-1"), st.characters()), max_size=12)


@given(TEXTS)
def test_one_rule_with_the_bearer(text: str) -> None:
    """A key without a flaw is sent, and a key that is not sent has a flaw; only quotes are both."""
    flaw = flaw_of_key(text)
    if is_key(text):
        assert (bearer(text) is None) <= (flaw is not None)
        assert (flaw is None) <= (bearer(text) is not None)
        assert flaw in {None, KeyFlaw.QUOTES} or bearer(text) is None
    else:
        assert flaw is None


@pytest.mark.parametrize(
    ("text", "sent", "verbatim"),
    [
        ("sk-abc", None, None),
        ("sk-abc\n", None, KeyFlaw.LINE_BREAK),
        (" sk-abc", None, KeyFlaw.SPACE),
        ("sk-a\r\nbc", KeyFlaw.LINE_BREAK, KeyFlaw.LINE_BREAK),
        ("sk abc", KeyFlaw.SPACE, KeyFlaw.SPACE),
        ("sk-äbc", KeyFlaw.NOT_ASCII, KeyFlaw.NOT_ASCII),
        ("sk-\x07", KeyFlaw.CONTROL, KeyFlaw.CONTROL),
        ("\ufeffsk-abc", KeyFlaw.BYTE_ORDER_MARK, KeyFlaw.BYTE_ORDER_MARK),
        ("ï»¿sk-abc", KeyFlaw.BYTE_ORDER_MARK, KeyFlaw.BYTE_ORDER_MARK),
        ("Bearer sk-abc", KeyFlaw.BEARER_PREFIX, KeyFlaw.BEARER_PREFIX),
        ("bearer\tsk-abc", KeyFlaw.BEARER_PREFIX, KeyFlaw.BEARER_PREFIX),
        ('"sk-abc"', KeyFlaw.QUOTES, KeyFlaw.QUOTES),
        ("“sk-abc”", KeyFlaw.QUOTES, KeyFlaw.QUOTES),
        ("Bearersk-abc", None, None),
        ("", None, None),
        (" \n", None, None),
    ],
)
def test_flaws_by_name(text: str, sent: KeyFlaw | None, verbatim: KeyFlaw | None) -> None:
    """Codex drops no white space around a key that it sends itself; the proxy does."""
    assert (sent, verbatim) == (flaw_of_key(text), flaw_of_key(text, verbatim=True))


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("Bearer sk-abc", None),
        ("Basic abc def", None),
        ("two words", None),
        ("Bearer Bearer sk-abc", KeyFlaw.BEARER_PREFIX),
        ('Bearer "sk-abc"', KeyFlaw.QUOTES),
        ("Bearer sk-abc\n", KeyFlaw.LINE_BREAK),
        ("a\nb", KeyFlaw.LINE_BREAK),
        ("pä", KeyFlaw.NOT_ASCII),
        ("\ufeffa", KeyFlaw.BYTE_ORDER_MARK),
    ],
)
def test_flaws_of_a_header(text: str, flaw: KeyFlaw | None) -> None:
    """Spaces belong to a header; its key has the rules of a key."""
    assert flaw == flaw_of_header(text)


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-1",
        "sk_live_1",
        "gsk_abc",
        "xai-a",
        "AIzaSyA1",
        "eyJhbGciOiJ",
        "ghp_a1",
        "Bearer x",
        "9f8e7d6c5b4a3210",
    ],
)
def test_keys_are_no_names(text: str) -> None:
    """By their prefix, or their length and digits."""
    assert may_be_a_key(text)


@pytest.mark.parametrize("text", ["OPENAI_API_KEY", "RELAY_KEY_2", "my_relay_token_v2", "KEY", "a", "token_2"])
def test_names_are_no_keys(text: str) -> None:
    """A variable's usual spelling."""
    assert not may_be_a_key(text)


def test_every_flaw_has_words() -> None:
    """But for a key in a name's place, which has a message of its own."""
    assert {*KeyFlaw} - {KeyFlaw.KEY_AS_NAME} == {*FLAWS}


@pytest.mark.parametrize(
    ("url", "unencrypted"),
    [
        ("http://relay.example/v1", True),
        ("HTTP://10.0.0.1:8080/v1", True),
        ("http://192.168.1.2/v1", True),
        ("http://host.docker.internal:1234/v1", True),
        ("http://[fd00::1]/v1", True),
        ("https://relay.example/v1", False),
        ("http://127.0.0.1:1234/v1", False),
        ("http://127.9.9.9/v1", False),
        ("http://[::1]:1/v1", False),
        ("http://localhost:1234/v1", False),
        ("http://a.localhost./v1", False),
        ("http://[broken", False),
    ],
)
def test_plain_http_to_another_machine(url: str, unencrypted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A private network is a network, too."""
    assert unencrypted is is_unencrypted(url)
