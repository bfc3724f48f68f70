"""The plan that `recover --dry-run` reports: one sentence for each interrupted transaction, and one for a repair."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import Message

RecoveryCode = Literal[
    "roll_back",
    "finish",
    "refuse",
    "repair",
]

# fmt: off
RECOVERY: Final[dict[RecoveryCode, Message]] = {
    "roll_back": Message("`{command}` of {at} would be undone."),
    "finish": Message("`{command}` of {at} would be finished."),
    "refuse": Message("The record of {id} is damaged, and its files would not be changed."),
    "repair": Message("{provider} would point at {url} again, the URL in {source}."),
}
# fmt: on
