"""auth.json: its login mode, the login that Codex uses, and its API keys."""

from __future__ import annotations

import enum
import json
from typing import Any

_KEYRING_STORES = frozenset({"keyring", "ephemeral"})
_CHATGPT_NAMES = frozenset(
    {
        "account",
        "accounts",
        "access_token",
        "agent_identity",
        "chatgpt",
        "id_token",
        "oauth",
        "personal_access_token",
        "refresh_token",
        "tokens",
    }
)
# The modes of an account of ChatGPT, by which Codex itself controls Fast: tokens of another kind among them.
_CHATGPT_MODES = frozenset({"chatgpt", "chatgptauthtokens", "personalaccesstoken", "agentidentity"})
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LoginMode(enum.StrEnum):
    """The ways to be signed in to Codex, as far as its files show them."""

    API_KEY = "api_key"
    CHATGPT = "chatgpt"
    MIXED = "mixed"
    UNKNOWN = "unknown"

    @property
    def has_chatgpt(self) -> bool:
        """Whether a ChatGPT login is there, which Codex sends where it sends one."""
        return self in {LoginMode.CHATGPT, LoginMode.MIXED}

    @property
    def has_api_key(self) -> bool:
        """Whether an API key is there."""
        return self in {LoginMode.API_KEY, LoginMode.MIXED}


class Login(enum.StrEnum):
    """The credential by which Codex is signed in: one of those in auth.json, which can have several.

    `LoginMode` is the closed set of the results and of the policy; this one decides which identity a provider gets.
    """

    NONE = "none"  # nobody is signed in
    API_KEY = "api_key"  # auth.json's OPENAI_API_KEY
    CHATGPT = "chatgpt"
    PERSONAL_ACCESS_TOKEN = "personal_access_token"  # noqa: S105 - the name of a kind
    AGENT_IDENTITY = "agent_identity"
    BEDROCK = "bedrock"  # as Codex's CLI reports it; whether a provider receives it was not measured
    WORKLOAD_IDENTITY = "workload_identity"  # likewise
    UNREADABLE = "unreadable"  # an auth.json that Codex cannot parse: from 0.147 on it goes on as if there were none
    UNKNOWN = "unknown"  # in the keyring, or of a kind that this program does not know


# fmt: off
_MODES = {
    # a key, a ChatGPT login
    (True,  False): LoginMode.API_KEY,
    (False, True):  LoginMode.CHATGPT,
    (True,  True):  LoginMode.MIXED,
    (False, False): LoginMode.UNKNOWN,
}
# fmt: on


def login_mode(data: bytes | None, credentials_store: str | None) -> LoginMode:
    """Judge auth.json under config.toml's `cli_auth_credentials_store` (None: not set).

    With `keyring` or `ephemeral` Codex 0.169 ignores the file even where there is one, and a file that it cannot
    read (byte order mark, not JSON, not an object) shows no login either: UNKNOWN.
    """
    if credentials_store in _KEYRING_STORES:
        return LoginMode.UNKNOWN
    auth = _parse(data)
    key = any(name.endswith("_API_KEY") and _is_text(value) for name, value in auth.items())
    chatgpt = str(auth.get("auth_mode")).lower() in _CHATGPT_MODES or any(
        name.lower() in _CHATGPT_NAMES and _has_content(value) for name, value in auth.items()
    )
    return _MODES[key, chatgpt]


# The member that each `auth_mode` needs (Codex 0.130 to 0.171); without it Codex is signed in by nothing.
_MEMBERS = {
    "apikey": ("OPENAI_API_KEY", Login.API_KEY),
    "chatgpt": ("tokens", Login.CHATGPT),
    "chatgptAuthTokens": ("tokens", Login.CHATGPT),
    "personalAccessToken": ("personal_access_token", Login.PERSONAL_ACCESS_TOKEN),
    "agentIdentity": ("agent_identity", Login.AGENT_IDENTITY),
}
# The order in which Codex looks at a file of an older version, which has no `auth_mode`.
_MODELESS = ("personalAccessToken", "apikey", "chatgpt")


def login(data: bytes | None, credentials_store: str | None, access_token: str | None = None) -> Login:
    """Return the login that Codex uses, also where auth.json has several.

    access_token  CODEX_ACCESS_TOKEN of Codex's environment, which wins over auth.json (0.138; $CODEX_HOME/.env cannot
                  set it): a personal access token begins with at-, any other is an agent identity
    """
    if access_token:
        return Login.PERSONAL_ACCESS_TOKEN if access_token.startswith("at-") else Login.AGENT_IDENTITY
    if credentials_store in _KEYRING_STORES or (credentials_store == "auto" and data is None):
        return Login.UNKNOWN
    if data is None:
        return Login.NONE
    auth = _parse_object(data)
    if auth is None:
        return Login.UNREADABLE
    mode = auth.get("auth_mode")
    if mode is None:
        members = (_MEMBERS[name] for name in _MODELESS)
        return next((login for name, login in members if _has_content(auth.get(name))), Login.NONE)
    if not isinstance(mode, str) or mode not in _MEMBERS:
        return Login.UNKNOWN
    name, login = _MEMBERS[mode]
    return login if _has_content(auth.get(name)) else Login.NONE


def flaw(data: bytes | None) -> str:
    """Return the reason for which Codex cannot parse auth.json, as a clause; "" where it can, or has no file."""
    if data is None or _parse_object(data) is not None:
        return ""
    if data.startswith(_BYTE_ORDER_MARK):
        return "begins with a byte order mark, which an editor has put there"
    try:
        text = data.decode()
        json.loads(text)
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    except json.JSONDecodeError as error:
        return f"is not valid JSON (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        return "is not valid JSON"
    return "is not a JSON object"


def api_key(data: bytes | None, name: str) -> str | None:
    """Return the key under exactly that name: a secret, to be wrapped before it goes any further."""
    value = _parse(data).get(name)
    return value if _is_text(value) else None


def names(data: bytes | None) -> frozenset[str]:
    """Return the names of its text members; never their values."""
    return frozenset(name for name, value in _parse(data).items() if _is_text(value))


def _parse(data: bytes | None) -> dict[str, Any]:
    return _parse_object(data or b"") or {}


def _parse_object(data: bytes) -> dict[str, Any] | None:
    try:
        auth = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    return auth if isinstance(auth, dict) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _has_content(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(map(_has_content, value.values()))
    if isinstance(value, list):
        return any(map(_has_content, value))
    return bool(value)
