"""The line that `run` prints before it starts Codex."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import Message

RunCode = Literal[
    "adds_tier",
    "adds_no_tier",
    "sends_login",
]

# fmt: off
RUN: Final[dict[RunCode, Message]] = {
    "adds_tier": Message(
        "Codex uses {provider} at {upstream_base} through the proxy at {base_url}, which adds the tier {tier}. "
        "Nothing on disk is changed."),
    "adds_no_tier": Message(
        "Codex uses {provider} at {upstream_base} through the proxy at {base_url}, which adds no tier. "
        "Nothing on disk is changed."),
    "sends_login": Message("Codex sends {login} to that provider."),
}
# fmt: on
