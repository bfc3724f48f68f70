"""How what goes out in pieces is written: with one system call, and a large body without a copy of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from cfp.proxy.wire import Piece

_LARGE: Final = 128 * 1024
_JOINS: Final = sys.version_info < (3, 12)  # asyncio copies what is written in parts before it sends a byte of it


def write(transport: asyncio.WriteTransport, parts: Sequence[Piece]) -> None:
    """Write the pieces in order; joining small ones takes less than a list of buffers does for asyncio and kernel."""
    if len(parts[-1]) <= _LARGE:
        transport.write(b"".join(parts))
    elif _JOINS:
        transport.write(b"".join(parts[:-1]))
        transport.write(parts[-1])
    else:
        transport.writelines(parts)
