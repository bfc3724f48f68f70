"""Identities as people call them, and the sentence on which of them reaches the provider."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import Message

RouteCode = Literal["identity_both", "identity_split", "identity_direct", "identity_refused"]

# fmt: off
# By the identity of core/identities.py.
IDENTITIES: Final[dict[str, str]] = {
    "provider_key": "its own key",
    "openai_api_key": "the OpenAI API key of auth.json",
    "chatgpt_login": "the ChatGPT login",
    "personal_access_token": "the personal access token",
    "agent_identity": "the agent identity",
    "none": "no key and no login",
    "codex_refuses": "nothing",
    "unknown": "a key or login that cannot be read here, perhaps the ChatGPT login",
}

ROUTES: Final[dict[RouteCode, Message]] = {
    "identity_both": Message("With the proxy and without it, the provider receives {direct}."),
    "identity_split": Message("Through the proxy, the provider receives {through_proxy}; without it, {direct}."),
    "identity_direct": Message("Codex itself sends the provider {direct}."),
    "identity_refused": Message("Codex sends the provider nothing: it refuses to start a turn with this configuration or login."),
}
# fmt: on
