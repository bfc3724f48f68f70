"""The event loop of upstream and load: uvloop where it is installed, so that they are not what is measured."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None], *, fast: bool = True) -> None:
    """Run it to its end; `fast`: on uvloop if there is one."""
    factory = None
    if fast:
        try:
            import uvloop  # noqa: PLC0415  only measuring needs it

            factory = uvloop.new_event_loop
        except ImportError:
            pass
    gc.disable()  # no pause of ours may count as one of theirs
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
