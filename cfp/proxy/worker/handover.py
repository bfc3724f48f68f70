"""The handover between two workers: the new one borrows the listening sockets and the lock of the former one.

While the loan lasts the former worker stands by: it accepts no connections, finishes its requests, and accepts again
when the borrower ends. SIGTERM ends the loan on either side: the former worker drains, or the borrower returns the
sockets and the lock. Neither cuts a stream.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass

from cfp.errors import Failed
from cfp.host.worker import control_socket
from cfp.proxy.config import WorkerConfig
from cfp.proxy.worker.single_instance import SingleInstance
from cfp.proxy.worker.worker import Worker

_RESPONSE_SECONDS = 5.0
_LONGEST_REQUEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A former worker's listening sockets (none where the new worker has another address) and its lock.

    connection  the loan lasts until one of its ends is closed
    """

    connection: socket.socket
    sockets: tuple[socket.socket, ...]
    lock: int


def borrow(config: WorkerConfig) -> Loan | None:
    """Borrow from the worker that `config.take_over` names; None where it has ended, and left nothing to take over.

    Raises Failed(handover_refused; reason) where it runs and does not lend.
    """
    try:
        connection = control_socket.connect(config.layout.control(config.take_over), _RESPONSE_SECONDS)
    except OSError:
        return None
    settings = config.settings
    request = {"ask": "take_over", "nonce": config.take_over, "host": settings.host, "port": settings.port}
    try:
        control_socket.send(connection, request)
        response, descriptors = control_socket.receive(connection, _RESPONSE_SECONDS)
    except TimeoutError as error:
        connection.close()
        raise Failed("handover_refused", reason="it does not respond") from error
    except (OSError, ValueError):
        connection.close()
        return None
    if "refused" in response or not descriptors:
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()
        raise Failed("handover_refused", reason=str(response.get("refused", "it sent nothing")))
    lock, *listening = descriptors
    connection.setblocking(False)
    return Loan(connection=connection, sockets=tuple(socket.socket(fileno=each) for each in listening), lock=lock)


class Handover:
    """A worker's control socket, and its loans in both directions; `end` handles SIGTERM."""

    def __init__(self, worker: Worker, lifetime: SingleInstance, loan: Loan | None) -> None:
        self._worker = worker
        self._lifetime = lifetime
        self._loan = None if loan is None else loan.connection
        self._control: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        worker.taking_over = loan is not None

    def open(self) -> None:
        """Serve the control socket, which a worker without a nonce does not have, and watch the loan."""
        config = self._worker.config
        if self._loan is not None:
            self._loop.add_reader(self._loan, self._check_loan)
        if not (config.nonce and control_socket.CAN_HAND_OVER):
            return
        with suppress(OSError):  # a worker that cannot hand over is replaced by stopping it first
            self._control = control_socket.listen(config.layout.control(config.nonce))
            self._loop.add_reader(self._control, self._accept)
            self._worker.hands_over = True

    def end(self) -> None:
        """Drain; a second call cuts the remaining requests. The other side of a loan notices that it has ended."""
        if self._worker.draining:
            self._worker.cut()
            return
        succeeded = self._worker.standing_by or self._worker.taking_over
        self._worker.drain(succeeded=succeeded)
        if succeeded:
            self._lifetime.release()
            self._return_loan()
            for task in self._tasks:
                task.cancel()

    def close(self) -> None:
        """End all loans, and remove the control socket."""
        self._return_loan()
        for task in self._tasks:
            task.cancel()
        if self._control is not None:
            self._loop.remove_reader(self._control)
            self._control.close()
            with suppress(OSError):
                self._worker.config.layout.control(self._worker.config.nonce).unlink()

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

    # -- requests to this worker

    def _accept(self) -> None:
        assert self._control is not None  # noqa: S101  it is the socket that is readable
        with suppress(OSError):
            connection, _ = self._control.accept()
            connection.setblocking(False)
            task = self._loop.create_task(self._answer(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError, RecursionError):
            if not control_socket.is_own(connection):
                return
            async with asyncio.timeout(_RESPONSE_SECONDS):
                request = json.loads(await self._read_line(connection))
            if request == {"ask": "health"}:
                async with asyncio.timeout(_RESPONSE_SECONDS):
                    await self._loop.sock_sendall(connection, self._worker.health() + b"\n")
            elif isinstance(request, dict) and request.get("ask") == "take_over":
                refusal = self._refusal(request.get("nonce"))
                if refusal:
                    control_socket.send(connection, {"refused": refusal})
                else:
                    await self._lend(connection, (request.get("host"), request.get("port")))

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

    async def _lend(self, connection: socket.socket, address: tuple[object, object]) -> None:
        """Lend sockets and lock, and stand by until the borrower ends or `end` is called."""
        worker, lock = self._worker, self._lifetime.descriptor
        assert lock is not None  # noqa: S101  only a worker that drains has released it
        worker.stand_by(pausing=address == (worker.config.settings.host, worker.port))
        try:
            control_socket.send(
                connection, {"nonce": worker.config.nonce}, [lock, *(each.fileno() for each in worker.lendable)]
            )
            await self._loop.sock_recv(connection, 1)
        finally:
            if not worker.draining:
                worker.resume_serving()
                self._lifetime.write_pid()
