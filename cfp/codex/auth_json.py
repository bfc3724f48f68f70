"""auth.json: its login mode and its API keys."""

from __future__ import annotations

import enum
import json
from typing import Any

_KEYRING_STORES = frozenset({"keyring", "ephemeral"})
_CHATGPT_NAMES = frozenset(
    {"account", "accounts", "access_token", "chatgpt", "id_token", "oauth", "refresh_token", "tokens"}
)
_CHATGPT_MODES = frozenset({"chatgpt", "chatgptauthtokens"})


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


def api_key(data: bytes | None, name: str) -> str | None:
    """Return the key under exactly that name: a secret, to be wrapped before it goes any further."""
    value = _parse(data).get(name)
    return value if _is_text(value) else None


def names(data: bytes | None) -> frozenset[str]:
    """Return the names of its text members; never their values."""
    return frozenset(name for name, value in _parse(data).items() if _is_text(value))


def _parse(data: bytes | None) -> dict[str, Any]:
    try:
        auth = json.loads((data or b"").decode())
    except (ValueError, RecursionError):
        return {}
    return auth if isinstance(auth, dict) else {}


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
