"""How what goes out in pieces is written: small ones with one system call, and a large body without a copy of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from cfp.proxy.wire import Piece

_LARGE: Final = 128 * 1024


def write(transport: asyncio.WriteTransport, parts: Sequence[Piece]) -> None:
    """Write the pieces in order; joining small ones takes less than a list of buffers does for asyncio and kernel.

    Not `writelines`: CPython 3.12 before 3.12.9, and 3.13 before 3.13.2, takes any amount there and asks for no pause
    (CVE-2024-12254); 3.11 joins what it is given.
    """
    if len(parts[-1]) <= _LARGE:
        transport.write(b"".join(parts))
    else:
        transport.write(b"".join(parts[:-1]))
        transport.write(parts[-1])
