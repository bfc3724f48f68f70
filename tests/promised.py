"""Every answer that a test reads is held to the contract: a status that the verb promises, and no value missing."""

from __future__ import annotations

import json
import re
import string
from typing import Any

from cfp.messages import Message
from tests.contract.promises import STATUSES
from tests.house.message_tables import all_messages


def placeholders(message: Message) -> set[str]:
    """Return the names of the placeholders of a message."""
    parsed = string.Formatter().parse(message.sentence + message.action)
    return {name for _, name, _, _ in parsed if name}


_NAMES = sorted(set().union(*map(placeholders, all_messages())))
# `Message.filled` writes it for a value that nobody gave.
BLANK = re.compile(rf"\(no (?:{'|'.join(_NAMES)})\)")


def answer_in(text: str) -> dict[str, Any]:
    """The one object that a command printed; fails where there is anything else, or a status that nobody promised."""
    value = json.loads(text)
    assert isinstance(value, dict)
    assert BLANK.search(text) is None, text
    if value.get("status") != "error":
        assert value["status"] in STATUSES[value["command"]], text
    return value
