"""auth.json: how Codex is signed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.codex.auth_json import Login, LoginMode, api_key, flaw, login, login_mode

KEY = "sk-fixture-not-a-key"
HOMES = Path(__file__).parents[2] / "fixtures" / "codex_home"

# fmt: off
CASES: list[tuple[Any, LoginMode]] = [
    ({"auth_mode": "apikey", "OPENAI_API_KEY": KEY},                     LoginMode.API_KEY),
    ({"OPENAI_API_KEY": KEY},                                            LoginMode.API_KEY),
    ({"RELAY_API_KEY": KEY},                                             LoginMode.API_KEY),
    ({"OPENAI_API_KEY": ""},                                             LoginMode.UNKNOWN),
    ({"OPENAI_API_KEY": "  "},                                           LoginMode.UNKNOWN),
    ({"OPENAI_API_KEY": None},                                           LoginMode.UNKNOWN),
    ({"OPENAI_API_KEY": 5},                                              LoginMode.UNKNOWN),
    ({"OPENAI_KEY": KEY},                                                LoginMode.UNKNOWN),
    ({"auth_mode": "chatgpt", "tokens": {"id_token": "x"}},              LoginMode.CHATGPT),
    ({"auth_mode": "chatgpt"},                                           LoginMode.CHATGPT),
    ({"auth_mode": "chatgptAuthTokens"},                                 LoginMode.CHATGPT),
    ({"auth_mode": "personalAccessToken"},                               LoginMode.CHATGPT),
    ({"auth_mode": "personalAccessToken", "OPENAI_API_KEY": KEY},        LoginMode.MIXED),
    ({"personal_access_token": "at-x"},                                  LoginMode.CHATGPT),
    ({"auth_mode": "agentIdentity", "agent_identity": {"a": "b"}},       LoginMode.CHATGPT),
    ({"auth_mode": "bedrockApiKey", "bedrock_api_key": {"api_key": "x"}}, LoginMode.UNKNOWN),
    ({"auth_mode": None, "tokens": {"id_token": "x"}},                   LoginMode.CHATGPT),
    ({"tokens": {"id_token": "", "x": {"y": []}}},                       LoginMode.UNKNOWN),
    ({"tokens": None},                                                   LoginMode.UNKNOWN),
    ({"tokens": "x"},                                                    LoginMode.CHATGPT),
    *(({name: ["x"]},                                                    LoginMode.CHATGPT)
      for name in ("account", "accounts", "access_token", "chatgpt", "id_token", "oauth", "refresh_token")),
    ({"auth_mode": "chatgpt", "OPENAI_API_KEY": KEY},                    LoginMode.MIXED),
    ({"OPENAI_API_KEY": KEY, "tokens": {"id_token": "x"}},               LoginMode.MIXED),
    ({},                                                                 LoginMode.UNKNOWN),
    ([],                                                                 LoginMode.UNKNOWN),
    (None,                                                               LoginMode.UNKNOWN),
]
# fmt: on


@pytest.mark.parametrize(("auth", "expected"), CASES)
def test_login_mode(auth: Any, expected: LoginMode) -> None:
    """A key, a ChatGPT login, both or neither."""
    assert login_mode(json.dumps(auth).encode(), None) is expected


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"\xef\xbb\xbf" + json.dumps({"OPENAI_API_KEY": KEY}).encode(), b"\xff"]
)
def test_a_file_that_codex_cannot_read_says_nothing(data: bytes | None) -> None:
    """No file, no JSON, a byte order mark, no UTF-8."""
    assert login_mode(data, None) is LoginMode.UNKNOWN
    assert api_key(data, "OPENAI_API_KEY") is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, ""),
        (b"{}", ""),
        (b'{"OPENAI_API_KEY": "sk-secret"}', ""),
        (b"", "not valid JSON (line 1, column 1)"),
        (b'{"OPENAI_API_KEY": "sk-secret",\n}', "not valid JSON (line 2, column 1)"),
        (b'\xef\xbb\xbf{"OPENAI_API_KEY": "sk-secret"}', "byte order mark"),
        (b'{"OPENAI_API_KEY": "sk-secret\xff"}', "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
        (b'["sk-secret"]', "not a JSON object"),
    ],
)
def test_the_flaw_of_a_file(data: bytes | None, words: str) -> None:
    """It is named with its place, without a word of the file."""
    assert (words == "", True) == (flaw(data) == "", words in flaw(data))
    assert "secret" not in flaw(data)


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("keyring", LoginMode.UNKNOWN),
        ("ephemeral", LoginMode.UNKNOWN),
        ("auto", LoginMode.API_KEY),
        ("file", LoginMode.API_KEY),
    ],
)
def test_codex_ignores_the_file_where_it_keeps_credentials_elsewhere(store: str, expected: LoginMode) -> None:
    """With a keyring, auth.json is a left-over."""
    assert login_mode(json.dumps({"OPENAI_API_KEY": KEY}).encode(), store) is expected


@given(st.binary(max_size=40))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    """Whatever stands in the file, there is an answer."""
    assert login_mode(data, None) in LoginMode


def test_one_key_by_its_exact_name() -> None:
    """Never another name's key: an OpenAI key must not reach a relay."""
    data = json.dumps({"RELAY_API_KEY": KEY, "EMPTY_API_KEY": " ", "tokens": {}}).encode()
    names = ["RELAY_API_KEY", "relay_api_key", "OPENAI_API_KEY", "EMPTY_API_KEY", "tokens"]
    assert [api_key(data, name) for name in names] == [KEY, None, None, None, None]


@pytest.mark.parametrize(
    ("home", "expected"),
    [
        ("api_key_relay", LoginMode.API_KEY),
        ("builtin_api_key", LoginMode.API_KEY),
        ("chatgpt_relay", LoginMode.CHATGPT),
        ("builtin_chatgpt", LoginMode.CHATGPT),
        ("mixed_login_requires_openai_auth", LoginMode.MIXED),
        ("keyring", LoginMode.UNKNOWN),
        ("fresh", LoginMode.UNKNOWN),
    ],
)
def test_login_of_the_fixture_homes(home: str, expected: LoginMode) -> None:
    """Realistic homes, with the store that their config names."""
    folder = HOMES / home
    auth = (folder / "auth.json").read_bytes() if (folder / "auth.json").exists() else None
    config = (folder / "config.toml").read_bytes() if (folder / "config.toml").exists() else None
    store = config_toml.parse(config).get("cli_auth_credentials_store")
    assert login_mode(auth, store) is expected


TOKENS = {"id_token": "x", "access_token": "x"}
# fmt: off
LOGINS: list[tuple[Any, Login]] = [
    ({"auth_mode": "apikey", "OPENAI_API_KEY": KEY},                         Login.API_KEY),
    ({"auth_mode": "apikey", "OPENAI_API_KEY": KEY, "tokens": TOKENS},       Login.API_KEY),
    ({"auth_mode": "apikey", "OPENAI_API_KEY": ""},                          Login.NONE),
    ({"auth_mode": "apikey", "OPENAI_API_KEY": None},                        Login.NONE),
    ({"auth_mode": "chatgpt", "OPENAI_API_KEY": KEY, "tokens": TOKENS},      Login.CHATGPT),
    ({"auth_mode": "chatgpt", "tokens": TOKENS},                             Login.CHATGPT),
    ({"auth_mode": "chatgptAuthTokens", "tokens": TOKENS},                   Login.CHATGPT),
    ({"auth_mode": "chatgpt"},                                               Login.NONE),
    ({"OPENAI_API_KEY": KEY, "tokens": TOKENS},                              Login.API_KEY),
    ({"tokens": TOKENS},                                                     Login.CHATGPT),
    ({"auth_mode": "personalAccessToken", "personal_access_token": "at-x"},  Login.PERSONAL_ACCESS_TOKEN),
    ({"OPENAI_API_KEY": KEY, "personal_access_token": "at-x"},               Login.PERSONAL_ACCESS_TOKEN),
    ({"tokens": TOKENS, "personal_access_token": "at-x"},                    Login.PERSONAL_ACCESS_TOKEN),
    ({"auth_mode": "agentIdentity", "agent_identity": "a.b.c"},              Login.AGENT_IDENTITY),
    ({"auth_mode": "agentIdentity", "agent_identity": {"account_id": "x"}},  Login.AGENT_IDENTITY),
    ({"agent_identity": "a.b.c"},                                            Login.NONE),
    ({"OPENAI_API_KEY": KEY, "agent_identity": "a.b.c"},                     Login.API_KEY),
    ({"RELAY_KEY": KEY},                                                     Login.NONE),
    ({},                                                                     Login.NONE),
    ({"auth_mode": "bedrockApiKey"},                                         Login.UNKNOWN),
    ({"auth_mode": "ChatGPT", "tokens": TOKENS},                             Login.UNKNOWN),
    ({"auth_mode": 5},                                                       Login.UNKNOWN),
    ([],                                                                     Login.UNREADABLE),
]
# fmt: on


@pytest.mark.parametrize(("auth", "expected"), LOGINS)
def test_the_login_that_codex_uses(auth: Any, expected: Login) -> None:
    """One of those in the file: as its auth_mode says, else in the order of Codex 0.138 and newer."""
    assert login(json.dumps(auth).encode(), None) is expected
    assert login(json.dumps(auth).encode(), "file") is expected


def test_a_login_outside_of_the_file() -> None:
    """No file is no login; one that does not parse is ignored; the keyring is not read; the environment wins."""
    chatgpt = json.dumps({"auth_mode": "chatgpt", "tokens": TOKENS}).encode()
    assert login(None, None) is Login.NONE
    assert {Login.UNREADABLE} == {login(data, None) for data in (b"", b"{", b"\xff", b"\xef\xbb\xbf{}")}
    assert {Login.UNKNOWN} == {login(data, store) for data in (None, chatgpt) for store in ("keyring", "ephemeral")}
    assert [Login.UNKNOWN, Login.CHATGPT] == [login(data, "auto") for data in (None, chatgpt)]
    assert [Login.PERSONAL_ACCESS_TOKEN, Login.AGENT_IDENTITY, Login.CHATGPT] == [
        login(chatgpt, None, token) for token in ("at-x", "a.b.c", "")
    ]
