"""The texts that stand where a key or a variable's name belongs, and cannot be right; a text itself is never kept."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final


class KeyFlaw(enum.StrEnum):
    """A reason for which a key cannot be sent, or is hardly meant as it stands."""

    BYTE_ORDER_MARK = "byte_order_mark"
    LINE_BREAK = "line_break"
    BEARER_PREFIX = "bearer_prefix"  # the scheme would be sent twice
    QUOTES = "quotes"  # they can be sent, as part of the key
    NOT_ASCII = "not_ascii"
    CONTROL = "control"
    SPACE = "space"
    KEY_AS_NAME = "key_as_name"  # a key where the name of its variable belongs


@dataclass(frozen=True, slots=True, kw_only=True)
class FlawedKey:
    """A flaw, the provider that it concerns, and its place in words; no part of the text.

    is_sent  each request through the proxy would carry this key: the proxy's own, else Codex's
    """

    provider: str
    place: str
    flaw: KeyFlaw
    is_sent: bool = False


_MARKS: Final = ("\ufeff", "ï»¿", "\udcef\udcbb\udcbf")  # as read in UTF-8, Latin-1, and from undecodable bytes
_QUOTES: Final = ("\"'`", "\"'`")
_TYPOGRAPHIC: Final = ("\u201c\u2018\u201e\u201a\xab", "\u201d\u2019\u201c\u2018\xbb")  # what an editor makes of them
_SCHEME: Final = re.compile(r"bearer\s", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Z]+(?:_[A-Z0-9]+)*|[a-z]+(?:_[a-z0-9]+)*")
_PREFIX: Final = re.compile(r"(?:sk|rk|pk|gsk|xai)[-_]|(?:sess|key|token)-|AIza|eyJ|gh[pousr]_")
_KEY_LENGTH: Final = 16  # no provider's key is shorter


def flaw_of_key(text: str, *, verbatim: bool = False) -> KeyFlaw | None:
    """Return the first flaw of a key; None for one that `bearer` sends, and that is hardly meant otherwise.

    verbatim  Codex sends the key itself, and drops no white space around it
    """
    token = text.strip()
    if token == "":
        return None  # no key at all: another location counts
    if text.lstrip(" \t\r\n").startswith(_MARKS):
        return KeyFlaw.BYTE_ORDER_MARK
    if _SCHEME.match(token):
        return KeyFlaw.BEARER_PREFIX
    if len(token) > 1 and any(token[0] in first and token[-1] in last for first, last in (_QUOTES, _TYPOGRAPHIC)):
        return KeyFlaw.QUOTES
    return _flaw_of_signs(text if verbatim else token, space=KeyFlaw.SPACE)


def flaw_of_header(text: str) -> KeyFlaw | None:
    """Return the first flaw of a header's value, which may have spaces and tabs (RFC 9110 5.5)."""
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return flaw_of_key(text[scheme.end() :], verbatim=True)
    if text.startswith(_MARKS):
        return KeyFlaw.BYTE_ORDER_MARK
    return _flaw_of_signs(text, space=None)


def _flaw_of_signs(text: str, *, space: KeyFlaw | None) -> KeyFlaw | None:
    if "\n" in text or "\r" in text:
        return KeyFlaw.LINE_BREAK
    if not text.isascii():
        return KeyFlaw.NOT_ASCII
    if any((sign < " " and sign != "\t") or sign == "\x7f" for sign in text):
        return KeyFlaw.CONTROL
    return space if " " in text or "\t" in text else None


def may_be_a_key(name: str) -> bool:
    """Whether a text looks like a key where a variable's name belongs.

    It has a key's prefix, or is long, with digits, and unlike a name.
    """
    if _PREFIX.match(name) or _SCHEME.match(name):
        return True
    digits = any(sign.isdigit() for sign in name)
    return len(name) >= _KEY_LENGTH and digits and _NAME.fullmatch(name) is None
