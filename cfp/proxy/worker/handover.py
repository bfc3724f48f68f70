"""The handover between two workers: the new one borrows the listening sockets and the lock of the former one.

While the loan lasts the former worker stands by: it accepts no connections, finishes its requests, and accepts again
when the borrower ends. SIGTERM, on Windows a request to end, ends the loan on either side: the former worker
drains, or the borrower returns the sockets and the lock. Neither cuts a stream.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cfp.errors import Failed
from cfp.host.worker.control import channel
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.sentinel import Sentinel
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.worker import Worker

_RESPONSE_SECONDS = 5.0
_LONGEST_REQUEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A former worker's lock and listening sockets; the loan lasts until one end of the connection is closed."""

    connection: socket.socket
    lent: channel.Lent


def borrow(config: WorkerConfig) -> Loan | None:
    """Borrow from the worker that `config.take_over` names; None where it has ended, and left nothing to take over.

    Raises Failed(handover_refused; reason) where it runs and does not lend.
    """
    try:
        connection = channel.connect(config.layout.control(config.take_over), _RESPONSE_SECONDS)
    except OSError:
        return None
    settings = config.settings
    try:
        response, lent = channel.take_over(
            connection, config.take_over, settings.host, settings.port, _RESPONSE_SECONDS
        )
    except TimeoutError as error:
        connection.close()
        raise Failed("handover_refused", reason="it does not respond") from error
    except (OSError, ValueError):
        connection.close()
        return None
    if "refused" in response or lent is None:
        channel.close_lent(lent)
        connection.close()
        raise Failed("handover_refused", reason=str(response.get("refused", "it sent nothing")))
    connection.setblocking(False)
    return Loan(connection=connection, lent=lent)


class Handover:
    """A worker's control channel, and its loans in both directions; `end` handles SIGTERM."""

    def __init__(
        self, worker: Worker, lifetime: SingleInstance, loan: Loan | None, sentinel: Sentinel | None = None
    ) -> None:
        self._worker = worker
        self._lifetime = lifetime
        self._loan = None if loan is None else loan.connection
        self._control: channel.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._sentinel = sentinel or Sentinel()
        worker.taking_over = loan is not None

    def open(self) -> None:
        """Serve the control channel, which a worker without a nonce does not have, and watch the loan."""
        config = self._worker.config
        if self._loan is not None:
            self._loop.add_reader(self._loan, self._check_loan)
        if not config.nonce:
            return
        with suppress(OSError):  # a worker that cannot hand over is replaced by stopping it first
            self._control = channel.Server(config.layout.control(config.nonce))
            self._loop.add_reader(self._control.socket, self._accept)
            self._worker.hands_over = True

    def guard(self) -> None:
        """Have the sentinel revive this worker while it serves alone: not in a loan, and not once it drains."""
        worker, lock = self._worker, self._lifetime.lock
        if lock is not None and not (worker.draining or worker.standing_by or worker.taking_over):
            self._sentinel.start(lock, [each.fileno() for each in worker.sockets])

    def end(self) -> None:
        """Drain; a second call cuts the remaining requests. The other side of a loan notices that it has ended."""
        if self._worker.draining:
            self._worker.cut()
            return
        self._sentinel.end()  # before the listener is closed, and before this process may end
        succeeded = self._worker.standing_by or self._worker.taking_over
        self._worker.drain(succeeded=succeeded)
        if succeeded:
            self._lifetime.release()
            self._return_loan()
            for task in self._tasks:
                task.cancel()

    def close(self) -> None:
        """End all loans, and remove the control channel."""
        self._return_loan()
        for task in self._tasks:
            task.cancel()
        if self._control is not None:
            self._loop.remove_reader(self._control.socket)
            self._control.close()

    # -- the loan that this worker has borrowed

    def _check_loan(self) -> None:
        """End the loan where the former worker has closed its connection."""
        if self._loan is None:
            return
        try:
            if self._loan.recv(1):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # a reset means the same as a close
        self._return_loan()

    def _return_loan(self) -> None:
        connection, self._loan = self._loan, None
        self._worker.taking_over = False
        if connection is not None:
            self._loop.remove_reader(connection)
            connection.close()
            self.guard()

    # -- requests to this worker

    def _accept(self) -> None:
        assert self._control is not None  # noqa: S101  it is the socket that is readable
        with suppress(OSError):
            connection = self._control.accept()
            connection.setblocking(False)
            task = self._loop.create_task(self._answer(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError, RecursionError):
            async with asyncio.timeout(_RESPONSE_SECONDS):
                line = await self._read_line(connection)
            admitted = None if self._control is None else self._control.admitted(line)
            request = None if admitted is None else json.loads(admitted)
            if request == {"ask": "health"}:
                async with asyncio.timeout(_RESPONSE_SECONDS):
                    await self._loop.sock_sendall(connection, self._worker.health() + b"\n")
            elif request == {"ask": "end"}:
                channel.send(connection, {"ends": True})
                self.end()
            elif isinstance(request, dict) and request.get("ask") == "take_over":
                refusal = self._refusal(request.get("nonce"))
                if refusal:
                    channel.send(connection, {"refused": refusal})
                else:
                    await self._lend(connection, request)

    async def _read_line(self, connection: socket.socket) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            part = await self._loop.sock_recv(connection, _LONGEST_REQUEST)
            line += part
            if not part or len(line) > _LONGEST_REQUEST:
                raise ValueError
        return line

    def _refusal(self, nonce: object) -> str:
        worker = self._worker
        reasons = {
            "it is another worker": nonce != worker.config.nonce,
            "it is leaving": worker.draining,
            "it stands by for another one": worker.standing_by,
            "the one before it still stands by": worker.taking_over,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    async def _lend(self, connection: socket.socket, request: dict[str, Any]) -> None:
        """Lend sockets and lock, and stand by until the borrower ends or `end` is called."""
        worker, lock = self._worker, self._lifetime.lock
        assert lock is not None  # noqa: S101  only a worker that drains has released it
        self._sentinel.end()  # it would start this worker beside the borrower
        address = (request.get("host"), request.get("port"))
        worker.stand_by(pausing=address == (worker.config.settings.host, worker.port))
        try:
            lent = channel.Lent(lock=lock, sockets=tuple(worker.lendable))
            channel.lend(connection, {"nonce": worker.config.nonce}, lent, request.get("pid"))
            await self._loop.sock_recv(connection, 1)
        finally:
            if not worker.draining:
                worker.resume_serving()
                self._lifetime.write_pid()
                self.guard()
