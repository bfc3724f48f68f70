"""The ChatGPT login: whether it can be used, and whether the provider's key is kept for it."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.diagnoses import KEEP_KEY, SPLIT, USE_SAVED_KEY
from cfp.messages.message import CLI, Message

HintCode = Literal[
    "ready",
    "own_key",
    "not_loaded_yet",
    "needs_persistent_env",
    "needs_auth_split",
    "saved_key_unused",
    "optional_setup_available",
]

PreparationCode = Literal[
    "prepared",
    "needs_persistent_env",
    "not_prepared",
    "optional",
]

# fmt: off
HINTS: Final[dict[HintCode, Message]] = {
    "ready": Message(
        "The proxy sends the provider's key itself, so Codex can be signed in with ChatGPT.", "Sign in with ChatGPT when you like."),
    "own_key": Message(
        "Codex sends the provider the provider's own key, also while it is signed in with ChatGPT.", "Sign in with ChatGPT when you like."),
    "not_loaded_yet": Message(
        "The provider's key is saved, but the running proxy does not send it yet.",
        f"Before you sign in with ChatGPT, start a new Codex session or run `{CLI} start`."),
    "needs_persistent_env": Message(
        "The provider's key is only in this process's environment, and later sessions may not have it.",
        KEEP_KEY),
    "needs_auth_split": Message(
        "Codex's login reaches the provider: the proxy passes it on, and config.toml names no key that would take its place.",
        SPLIT),
    "saved_key_unused": Message("The provider's key is saved, but the proxy does not send it: {instead}.", USE_SAVED_KEY),
    "optional_setup_available": Message(
        "With API-key login, the provider's API works with Fast, and nothing needs to change. A ChatGPT login adds features of "
        "the App: plug-in marketplace, GitHub and other connectors, a Fast switch, status hints and voice input. Before that "
        "login, the proxy must have the provider's key; without it the provider may respond with 401.",
        f"Before you sign in with ChatGPT, run `{CLI} prepare-chatgpt-login`."),
}
PREPARATIONS: Final[dict[PreparationCode, Message]] = {
    "prepared": Message("The proxy has the provider's key."),
    "needs_persistent_env": Message("The provider's key is only in the environment."),
    "not_prepared": Message("The proxy has no key for the provider, and Codex sends its own login there."),
    "optional": Message("The proxy has no key for the provider, and needs none now."),
}
# fmt: on
