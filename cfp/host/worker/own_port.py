"""The ports of a Codex home that is not the default one.

Two homes at one port would be a trap: while the proxy of one is down, its sessions reach the other's, and the other
home's provider gets their key. The default home keeps 8787; every other home has ports of its own from the start.
"""

from __future__ import annotations

import hashlib
from typing import Final

# Below the ports that systems give to outgoing connections: from 32768 on Linux, from 49152 on macOS and Windows.
_FIRST: Final = 20_000
_COUNT: Final = 10_000
_CHOICES: Final = 16


def own_ports(home: str) -> tuple[int, ...]:
    """Return the ports that a home may take, the first that is free; they depend on its real path alone."""
    start = int.from_bytes(hashlib.sha256(home.encode(errors="surrogateescape")).digest()[:4])
    return tuple(_FIRST + (start + offset) % _COUNT for offset in range(_CHOICES))
