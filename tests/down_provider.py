"""A provider that is down: its address refuses every connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def down_provider() -> Iterator[str]:
    """Yield the base URL of a provider that is down: a port that refuses and that nobody else can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
