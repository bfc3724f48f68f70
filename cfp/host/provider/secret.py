"""Texts that must not show, and the redaction of foreign texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn, Self, final


@final
class Secret:
    """A text that only `reveal()` shows; `==` is identity."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a secret is not serialised")


_WINDOW = 8
_SHORTEST = 4
_TOKENS = re.compile(
    r"""\b(?:bearer|basic)\s+[^\s"',;]+
      | \b(?:sk|rk|pk|gsk|xai)[-_][\w.*…-]+
      | \beyJ[\w-]+(?:\.[\w-]*)*
      | \b[0-9a-f]{64}\b
      | (?<=[?&])[^=&\s"']+=[^&\s"']+
      | (?<=://)[^/\s@"']+@""",
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Return the text as one printable line, without the secrets, any 8 characters of them, and token-like words.

    A "secret" of less than 4 characters is kept: to blank every `1` would only hide the message.
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            line = _blank(line, value)
    return _TOKENS.sub("***", line)


def _blank(text: str, value: str) -> str:
    size = min(len(value), _WINDOW)
    windows = {value[start : start + size] for start in range(len(value) - size + 1)}
    hidden = bytearray(len(text))
    for start in range(len(text) - size + 1):
        if text[start : start + size] in windows:
            hidden[start : start + size] = b"\1" * size
    masked = "".join(sign if not blank else "\0" for sign, blank in zip(text, hidden, strict=True))
    return re.sub("\0+", "***", masked)
