"""Warnings on the page of `status`."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import Message

WarningCode = Literal[
    "transaction_interrupted",
    "needs_restart",
    "model_named_otherwise",
    "reasoning_recurs",
]

WARNINGS: Final[dict[WarningCode, Message]] = {
    "transaction_interrupted": Message("Transaction {transaction} was interrupted."),
    "needs_restart": Message("The running proxy uses older settings or older code."),
    "model_named_otherwise": Message(
        "Of {answers} answers to requests for {model}, {times} named {other}. The provider may have a name of its own for the model."
    ),
    "reasoning_recurs": Message(
        "Of the last {answers} answers of {model} with reasoning, {times} used exactly {tokens} reasoning tokens, which is more often "
        "than chance explains. Something may end the reasoning there."
    ),
}
