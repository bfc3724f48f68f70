"""A worker in a process of its own, and its request log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfp.layout import Layout
from cfp.proxy.telemetry.log_reader import LogReader
from tests.performance.contenders import Site, running, wait_answering, worker_command
from tests.ports import free_port


@dataclass(kw_only=True)
class Worker:
    """A running worker."""

    home: Path
    port: int
    pid: int
    log: LogReader

    def new_lines(self) -> list[dict[str, Any]]:
        """Return what has been logged since the last call; half an hour rotates lines away."""
        return [json.loads(line) for line in self.log.new_lines()]


@asynccontextmanager
async def worker(
    folder: Path, upstream: int, tls: tuple[Path, Path] | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[Worker]:
    """Run a worker in a process of its own; its stderr must have no traceback."""
    home = folder / "home"
    home.mkdir(parents=True)
    site, port = Site(folder=folder, host=host, upstream=upstream, tls=tls), free_port()
    stderr_path = folder / "stderr"
    environ = {**site.environ, "RELAY_KEY": "soak"}
    with stderr_path.open("wb") as stderr, running(worker_command(home, port, site.base), environ, stderr) as process:
        await asyncio.to_thread(wait_answering, port)
        yield Worker(home=home, port=port, pid=process.pid, log=LogReader(Layout(home).request_log))
        assert process.poll() is None
    assert "Traceback" not in stderr_path.read_text()
