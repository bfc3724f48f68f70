"""The sentinel: a process that starts the worker again when that dies, and holds its listener and lock meanwhile."""

from __future__ import annotations

from collections.abc import Sequence


class Sentinel:
    """No sentinel, as on macOS and Windows, and for a worker in the foreground; the methods are those of one."""

    def start(self, lock: int, sockets: Sequence[int]) -> None:
        """Have the worker started again, with these descriptors, whenever it dies. Idempotent."""

    def end(self) -> None:
        """End the sentinel: from here on the end of the worker is wanted, or another worker serves in its place."""
