"""The ways in which a command can fail, named by the state in which they leave the user's files.

CfpError
├─ Refused   nothing was touched
│  ├─ UsageError             wrong flags or values
│  ├─ ConfigDrift        (3) one of our own keys was changed by others
│  └─ Busy               (5) another command holds the lock
├─ Failed    tried, and undone
├─ CutShort  (130) interrupted, or failed, after a change that stays; the next action finishes the rest
└─ Stuck     undo is incomplete
   └─ RecoveryRequired   (6)

The `code` is the contract: `cfp.messages` has one sentence and one next action for each, `docs/` one anchor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the light paths raise errors and read no messages
    from cfp.messages import ErrorCode


class CfpError(Exception):
    """A failure that the user can act on.

    code     stable snake_case name, a key of `messages.ERRORS`
    details  JSON values for the message's placeholders and the result; never a secret
    """

    exit_code: int = 2

    def __init__(self, code: ErrorCode, **details: Any) -> None:
        super().__init__(code)
        self.code: ErrorCode = code
        self.details = details


class Refused(CfpError):
    """Nothing was touched."""


class UsageError(Refused):
    """The command line itself is wrong."""


class ConfigDrift(Refused):
    """One of our own keys was changed by others, and was left alone."""

    exit_code = 3


class Busy(Refused):
    """Another command holds the lock."""

    exit_code = 5


class Failed(CfpError):
    """Tried, and undone: every file is as it was."""


class CutShort(CfpError):
    """A signal or a failure came after a change that stays: the next action finishes the rest.

    changed  the changes so far, for the result field of that name
    """

    def __init__(self, code: ErrorCode, *, exit_code: int, changed: str, **details: Any) -> None:
        super().__init__(code, changed=changed, **details)
        self.exit_code = exit_code


class Stuck(CfpError):
    """The undo is incomplete: `recover` finishes it."""

    exit_code = 6


class RecoveryRequired(Stuck):
    """An interrupted transaction stands in the way."""
