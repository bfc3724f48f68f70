"""Recognise an upstream's refusal of the service tier by the names in the error's body."""

from __future__ import annotations

from typing import Final

_NAMES: Final = (b"service_tier", b"service tier")


def names_tier(body: bytes, coding: bytes) -> bool:
    """Whether the body of a 4xx names the tier."""
    from cfp.proxy.http import content_coding  # noqa: PLC0415  not needed to listen

    if coding != b"identity":
        try:
            body = content_coding.decode(coding, body, 1 << 18)
        except (content_coding.Undecodable, content_coding.TooLarge):
            return False
    lowered = body.lower()
    return any(name in lowered for name in _NAMES)
