"""Every answer that a test reads is held to the contract: its status is one that the verb promises."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.promises import STATUSES


def answer_in(text: str) -> dict[str, Any]:
    """The one object that a command printed; fails where there is anything else, or a status that nobody promised."""
    value = json.loads(text)
    assert isinstance(value, dict)
    if value.get("status") != "error":
        assert value["status"] in STATUSES[value["command"]], text
    return value
