"""Warnings on the page of `status`."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import Message

WarningCode = Literal[
    "transaction_interrupted",
    "needs_restart",
]

WARNINGS: Final[dict[WarningCode, Message]] = {
    "transaction_interrupted": Message("Transaction {transaction} was interrupted."),
    "needs_restart": Message("The running proxy uses older settings or older code."),
}
