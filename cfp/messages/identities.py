"""Identities as people call them, which of them reaches the provider, and warnings about the key and its way there."""

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

RouteWarningCode = Literal[
    "upstream_unencrypted",
    "key_malformed",
    "key_doubtful",
    "key_in_place_of_name",
    "profile_passes_proxy",
    "catalogue_of_openai",
    "catalogue_is_yours",
    "catalogue_not_read",
    "catalogue_needs_the_proxy",
]

# What follows "The key in PLACE", as in "has a space in it".
FLAWS: Final[dict[str, str]] = {
    "byte_order_mark": "begins with a byte order mark, which an editor has put there",
    "line_break": "has a line break in it or behind it",
    "bearer_prefix": 'begins with "Bearer", which would then be sent twice',
    "quotes": "has quotes around it, which would be sent as part of it",
    "not_ascii": "has a character outside ASCII in it",
    "control": "has a control character in it",
    "space": "has a space in it or around it",
}

# fmt: off
ROUTE_WARNINGS: Final[dict[RouteWarningCode, Message]] = {
    "upstream_unencrypted": Message(
        "{upstream_base} is plain http to another machine: the key and the prompts cross the network unencrypted, also in a private network.",
        "Use the provider's https URL, or a tunnel to it that ends on this machine."),
    "key_malformed": Message(
        "The key in {place} {reason}, so no request with it can succeed.",
        "Save the key again, the key alone."),
    "key_doubtful": Message(
        "The key in {place} {reason}.", "Save the key again, the key alone; if the provider really wants it so, there is nothing to do."),
    "key_in_place_of_name": Message(
        "{place} must be the name of a variable, but what stands there looks like a key, so Codex finds none.",
        "Put the key into a variable, or into .env in the Codex home, and write the variable's name there."),
    "profile_passes_proxy": Message(
        "{file} sets {key} to {value}, so Codex does not use the proxy with that profile (`codex -p NAME`): the file is yours and stays as it is.",
        "Remove {key} from {file} where the profile should use the proxy."),
    "catalogue_of_openai": Message(
        "Codex reads the catalogue of its built-in provider at OpenAI alone, so --catalogue changes nothing.",
        "Nothing is to be done: Codex knows those models by itself."),
    "catalogue_is_yours": Message(
        "{key} in config.toml is yours, so Codex reads its catalogue of models there, and --catalogue changes nothing.",
        "Remove that line, and run install again, where the proxy should serve the catalogue."),
    "catalogue_not_read": Message(
        "Codex {version} does not read {key}: it goes on with its own catalogue of models.",
        "Update Codex to 0.169 or later, or run `install --start --no-catalogue`."),
    "catalogue_needs_the_proxy": Message(
        "Codex reads its catalogue of models at the proxy before its hook can start that: a session that begins without the proxy knows no model.",
        "Begin a new session where Codex reports that a model's metadata is not found; `install --start --no-catalogue` takes the key away."),
}
# fmt: on
