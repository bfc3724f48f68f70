"""The dashboard's findings about the last request."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

TrafficCode = Literal[
    "request_key_missing",
    "provider_unreachable",
    "upstream_loops",
    "provider_redirects",
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
        "The proxy refused the last request, because the provider's key is missing or has a character that cannot be sent.",
        f"Run `{CLI} prepare-chatgpt-login --apply`."),
    "provider_unreachable": Message(
        "The provider cannot be reached.", f"Check the network and the outbound proxy, then run `{CLI} verify-upstream`."),
    "upstream_loops": Message(
        "The upstream URL leads back to this proxy.", f"Run `{CLI} set-upstream --upstream-base URL` with the provider's URL."),
    "provider_redirects": Message(
        "The provider redirects to another address.",
        f"Run `{CLI} verify-upstream` to see it. If the provider has moved, run `{CLI} set-upstream --upstream-base URL`."),
    "provider_broke_off": Message(
        "The provider broke off its last response.", f"Codex retries by itself. If the problem remains, run `{CLI} verify-upstream`."),
    "provider_key_refused": Message(
        "The provider refused the key ({status}).", f"Check the key with your provider, then run `{CLI} verify-upstream`."),
    "provider_path_unknown": Message(
        "The provider does not know the URL or the model ({status}).", f"Run `{CLI} verify-upstream`."),
    "provider_limits": Message(
        "The provider refused the last request because of a limit or quota ({status}).", "Wait, or ask the provider about your quota. The proxy sends no requests of its own."),
    "provider_failing": Message(
        "The provider has an error of its own ({status}).", f"Codex retries by itself. If the problem remains, run `{CLI} verify-upstream`."),
    "provider_refused": Message(
        "The provider refused the last request ({status}).", "Codex shows the provider's message; the request log has the time."),
    "request_failing": Message("The last request failed ({error_type}).", f"Run `{CLI} doctor`."),
}
# fmt: on
