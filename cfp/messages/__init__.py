"""The sentences that users read. Codes are the contract; their words may change.

message       a sentence that reports something, and the next action
code          a stable snake_case name. Each table has a type of its codes, so that mypy refuses an unknown one
ErrorCode     the codes of errors; `message` returns their messages
other tables  each is imported by the modules that use it: `diagnoses`, `doctor`, `chatgpt_login`,
              `benchmark`, `updates`, `results`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cfp.messages.failures import FAILURES, FailureCode
from cfp.messages.interruptions import INTERRUPTIONS, InterruptionCode
from cfp.messages.message import CLI, Message
from cfp.messages.refusals import REFUSALS, RefusalCode
from cfp.messages.usage import USAGE, UsageCode

__all__ = ["CLI", "ERRORS", "ErrorCode", "Message", "message"]

ErrorCode = UsageCode | RefusalCode | FailureCode | InterruptionCode
ERRORS: Final[dict[ErrorCode, Message]] = USAGE | REFUSALS | FAILURES | INTERRUPTIONS


def message(code: ErrorCode, details: Mapping[str, Any] | None = None) -> Message:
    """Return the message of an error with its placeholders filled; raises KeyError for an unknown code."""
    return ERRORS[code].filled(details or {})
