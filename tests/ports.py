"""Ports for servers that a test starts later."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below the ports that Linux (32768) and Windows (49152) give to clients: there any connection of a test that runs
# beside may get the port in the meantime.
_FIRST: Final = 10_000
_LAST: Final = 32_000
# Hypothesis seeds the shared generator, and processes that run beside would draw the same ports.
_RANDOM: Final = random.SystemRandom()


def free_port() -> int:
    """Return a port of loopback on which nobody listens now."""
    while True:
        port = _RANDOM.randrange(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
