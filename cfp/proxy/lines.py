"""Request records as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from cfp.proxy.observe import RequestRecord

_encoder: Final = msgspec.json.Encoder()


def encode_lines(records: Iterable[RequestRecord]) -> bytes:
    """One line each, with a newline behind every one."""
    return _encoder.encode_lines(records)
