"""The ChatGPT login: whether it can be used, and whether the provider's key is kept for it."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

HintCode = Literal[
    "ready",
    "not_loaded_yet",
    "needs_persistent_env",
    "needs_auth_split",
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
        "The provider's key is split off: Codex can be signed in with ChatGPT.", "Sign in with ChatGPT when you like."),
    "not_loaded_yet": Message(
        "The provider's key is split off and saved, but the running proxy does not send it yet.",
        f"Do not sign in with ChatGPT yet: first start a new Codex session, or run `{CLI} start`."),
    "needs_persistent_env": Message(
        "The provider's key is in the environment only; a new session may not have it.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "needs_auth_split": Message(
        "Codex is signed in with ChatGPT, and that login reaches the provider.",
        f"Run `{CLI} prepare-chatgpt-login --apply`, then `{CLI} set-upstream --use-provider-auth-file`."),
    "optional_setup_available": Message(
        "API-key login can stay as it is, for the provider's API with Fast. For the richer App (plug-in marketplace, "
        "GitHub and other connectors, a Fast switch by hand, status hints, voice input) a ChatGPT login needs the "
        "provider's key split off first; switching without that may answer 401.",
        f"Before signing in with ChatGPT, run `{CLI} prepare-chatgpt-login`."),
}
PREPARATIONS: Final[dict[PreparationCode, Message]] = {
    "prepared": Message("The proxy keeps the provider's key."),
    "needs_persistent_env": Message("The provider's key is in the environment only."),
    "not_prepared": Message("The proxy keeps no key for the provider, and a ChatGPT login needs one."),
    "optional": Message("The proxy keeps no key for the provider, and none is needed now."),
}
# fmt: on
