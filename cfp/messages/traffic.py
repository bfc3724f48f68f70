"""The dashboard's findings about the last request."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

TrafficCode = Literal[
    "request_key_missing",
    "provider_unreachable",
    "upstream_loops",
    "provider_broke_off",
    "provider_key_refused",
    "provider_path_unknown",
    "provider_limits",
    "provider_failing",
    "provider_refused",
    "request_failing",
]

# fmt: off
TRAFFIC: Final[dict[TrafficCode, Message]] = {
    "request_key_missing": Message(
        "The last request stopped here: the provider's key is missing or cannot be used.",
        f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "provider_unreachable": Message(
        "The provider cannot be reached.", f"Check the network and the outbound proxy, then run `{CLI} verify-upstream`."),
    "upstream_loops": Message(
        "The upstream leads back to this proxy.", f"Run `{CLI} set-upstream --upstream-base URL` with the provider's own URL."),
    "provider_broke_off": Message(
        "The provider broke the last answer off.", f"Codex tries again by itself; if it stays, run `{CLI} verify-upstream`."),
    "provider_key_refused": Message(
        "The provider refuses the key ({status}).", f"Check the key with your provider, then run `{CLI} verify-upstream`."),
    "provider_path_unknown": Message(
        "The provider does not know this URL or model ({status}).", f"Run `{CLI} verify-upstream`."),
    "provider_limits": Message(
        "The provider limits your requests ({status}).", "Wait, or ask the provider about your quota; the proxy adds no request."),
    "provider_failing": Message(
        "The provider itself fails ({status}).", f"Codex tries again by itself; if it stays, run `{CLI} verify-upstream`."),
    "provider_refused": Message(
        "The provider refused the last request ({status}).", "Codex shows what it said; the request log says when."),
    "request_failing": Message("The last request failed ({error_type}).", f"Run `{CLI} doctor`."),
}
# fmt: on
