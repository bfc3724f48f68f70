"""A worker in a thread of this process: it ends with the process, and leaves no lock and no pid file behind."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cfp.errors import Failed
from cfp.host.worker.probe import free_port_near
from cfp.proxy.config import WorkerConfig
from cfp.proxy.telemetry.request_log import EventLog
from cfp.proxy.worker.event_loop import run
from cfp.proxy.worker.worker import Worker

if sys.platform == "win32":
    from cfp.proxy.worker._system_windows import shield_thread
else:
    from cfp.proxy.worker._system_posix import shield_thread


@contextmanager
def serving(config: WorkerConfig) -> Iterator[int]:
    """Yield the port while the worker serves, then cut its requests. Raises Failed(port_not_available).

    The request log goes to `config.log_dir`; no lock, no pid file.
    """
    thread = _Thread(config)
    thread.start()
    try:
        yield thread.wait_for_port()
    finally:
        thread.end()


class _Thread(threading.Thread):
    def __init__(self, config: WorkerConfig) -> None:
        super().__init__(name="worker", daemon=True)
        self._config = config
        self._ready = threading.Event()
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finish: asyncio.Event | None = None

    def run(self) -> None:
        shield_thread()
        run(self._serve())

    def wait_for_port(self) -> int:
        self._ready.wait()
        if not self._port:
            settings = self._config.settings
            free_port = free_port_near(settings.host, settings.port) or "NUMBER"
            raise Failed("port_not_available", host=settings.host, port=settings.port, free_port=free_port)
        return self._port

    def end(self) -> None:
        if self._loop is not None and self._finish is not None:
            self._loop.call_soon_threadsafe(self._finish.set)
        self.join()

    async def _serve(self) -> None:
        worker = Worker(self._config)
        worker.events = _Silent(verbose=False)
        try:
            await worker.start()
        except OSError:
            self._ready.set()
            return
        self._loop, self._finish = asyncio.get_running_loop(), asyncio.Event()
        self._port = worker.port
        self._ready.set()
        await self._finish.wait()
        await worker.stop()


class _Silent(EventLog):
    """An event log that writes nothing: the terminal belongs to another program."""

    def _log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        pass
