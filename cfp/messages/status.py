"""Warnings on the page of `status`, and verdicts on a provider's treatment of a tier."""

from __future__ import annotations

from typing import Final, Literal

from cfp.messages.message import CLI, Message

WarningCode = Literal[
    "transaction_interrupted",
    "needs_restart",
    "model_named_otherwise",
    "reasoning_recurs",
]

TierVerdictCode = Literal[
    "served_measured",
    "served_named",
    "ignored_measured",
    "ignored_named",
    "refused",
    "echo_uninformative",
    "unknown",
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

# fmt: off
TIER_VERDICTS: Final[dict[TierVerdictCode, Message]] = {
    "served_measured": Message("{model}: `{tier}` is served; a benchmark measured that it is faster."),
    "served_named": Message(
        "{model}: `{tier}` is served at times, by the provider's own word: {named} of {answers} answers name it, the others {others}."),
    "ignored_measured": Message("{model}: `{tier}` is ignored; a benchmark measured that it is no faster."),
    "ignored_named": Message(
        f"{{model}}: `{{tier}}` is ignored, by the provider's own word: its answers name {{others}}. Only `{CLI} benchmark` measures it."),
    "refused": Message("{model}: `{tier}` is refused; the proxy sends requests without it."),
    "echo_uninformative": Message(
        f"{{model}}: `{{tier}}` is accepted, and each answer repeats its name, which proves nothing. `{CLI} benchmark` measures it."),
    "unknown": Message("{model}: nothing is known yet about `{tier}`."),
}
# fmt: on
