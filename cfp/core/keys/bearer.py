"""The Authorization value of a provider's key: one rule for the worker, the verification and every command."""

from __future__ import annotations

import re
from typing import Final, TypeGuard

_TOKEN: Final = re.compile(r"[!-~]+")


def is_key(text: str | None) -> TypeGuard[str]:
    """Whether a location holds a key at all; white space alone is none, and the next location counts."""
    return text is not None and not text.isspace() and text != ""


def bearer(key: str) -> bytes | None:
    """Return the field value `Bearer KEY`, or None where the key cannot be sent.

    White space around the key is dropped, since files and variables often end with a line break. The rest must be
    visible ASCII without spaces: more characters than RFC 6750 2.1 allows in a token, because providers use them,
    and all of them are allowed in a field value (RFC 9110 5.5).
    """
    token = key.strip()
    return b"Bearer " + token.encode("ascii") if _TOKEN.fullmatch(token) else None
