"""A worker's part in a handover: it borrows listener and lock from the former worker, and lends them to the next.

While the loan lasts the former worker stands by: it accepts nothing, finishes what it has, and serves on as soon as
the borrower is gone. SIGTERM ends the loan on either side: the former leaves, or the borrower gives everything back.
Streams are cut on neither.
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

_ANSWER_SECONDS = 5.0
_LONGEST_QUESTION = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """What a former worker has lent: its listening sockets (none where another address is asked for), its lock."""

    connection: socket.socket
    sockets: tuple[socket.socket, ...]
    lock: int


def borrow(config: WorkerConfig) -> Loan | None:
    """Ask the worker that `config.take_over` names; None where it is gone, and with it what there was to take over.

    Raises Failed(handover_refused; reason) where it lives and does not lend.
    """
    try:
        connection = control_socket.connect(config.layout.control(config.take_over), _ANSWER_SECONDS)
    except OSError:
        return None
    settings = config.settings
    question = {"ask": "take_over", "nonce": config.take_over, "host": settings.host, "port": settings.port}
    try:
        control_socket.send(connection, question)
        answer, descriptors = control_socket.receive(connection, _ANSWER_SECONDS)
    except TimeoutError as error:
        connection.close()
        raise Failed("handover_refused", reason="it does not answer") from error
    except (OSError, ValueError):
        connection.close()
        return None
    if "refused" in answer or not descriptors:
        for descriptor in descriptors:
            os.close(descriptor)
        connection.close()
        raise Failed("handover_refused", reason=str(answer.get("refused", "it sent nothing")))
    lock, *listening = descriptors
    connection.setblocking(False)
    return Loan(connection=connection, sockets=tuple(socket.socket(fileno=each) for each in listening), lock=lock)


class Handover:
    """Between a worker and its control socket; `end` is what SIGTERM asks."""

    def __init__(self, worker: Worker, lifetime: SingleInstance, loan: Loan | None) -> None:
        self._worker = worker
        self._lifetime = lifetime
        self._borrowed = None if loan is None else loan.connection
        self._control: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        worker.taking_over = loan is not None

    def open(self) -> None:
        """Answer on the control socket, and watch the loan. Without a nonce nobody manages this worker."""
        config = self._worker.config
        if self._borrowed is not None:
            self._loop.add_reader(self._borrowed, self._is_alone)
        if not (config.nonce and control_socket.CAN_HAND_OVER):
            return
        with suppress(OSError):  # a worker that cannot hand over is replaced by stopping it first
            self._control = control_socket.listen(config.layout.control(config.nonce))
            self._loop.add_reader(self._control, self._accept)
            self._worker.hands_over = True

    def end(self) -> None:
        """Drain, or cut what a first call has left; whoever shares the loan is told by its end."""
        if self._worker.draining:
            self._worker.cut()
            return
        succeeded = self._worker.standing_by or self._worker.taking_over
        self._worker.drain(succeeded=succeeded)
        if succeeded:
            self._lifetime.let_go()
            self._give_back()
            for task in self._tasks:
                task.cancel()

    def close(self) -> None:
        """Leave no name behind."""
        self._give_back()
        for task in self._tasks:
            task.cancel()
        if self._control is not None:
            self._loop.remove_reader(self._control)
            self._control.close()
            with suppress(OSError):
                self._worker.config.layout.control(self._worker.config.nonce).unlink()

    # -- the loan that this worker has

    def _is_alone(self) -> None:
        """The former worker has left, in one way or the other."""
        if self._borrowed is None:
            return
        try:
            if self._borrowed.recv(1):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # as good as an end
        self._give_back()

    def _give_back(self) -> None:
        connection, self._borrowed = self._borrowed, None
        self._worker.taking_over = False
        if connection is not None:
            self._loop.remove_reader(connection)
            connection.close()

    # -- who asks this worker

    def _accept(self) -> None:
        assert self._control is not None  # noqa: S101  it is what is readable
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
            async with asyncio.timeout(_ANSWER_SECONDS):
                question = json.loads(await self._line(connection))
            if question == {"ask": "health"}:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._loop.sock_sendall(connection, self._worker.health() + b"\n")
            elif isinstance(question, dict) and question.get("ask") == "take_over":
                refusal = self._refusal(question.get("nonce"))
                if refusal:
                    control_socket.send(connection, {"refused": refusal})
                else:
                    await self._lend(connection, (question.get("host"), question.get("port")))

    async def _line(self, connection: socket.socket) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            part = await self._loop.sock_recv(connection, _LONGEST_QUESTION)
            line += part
            if not part or len(line) > _LONGEST_QUESTION:
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
        """Stand by until the borrower is gone, or until `end` was called."""
        worker, lock = self._worker, self._lifetime.descriptor
        assert lock is not None  # noqa: S101  only a worker that leaves has let go of it
        worker.stand_by(pausing=address == (worker.config.settings.host, worker.port))
        try:
            control_socket.send(
                connection, {"nonce": worker.config.nonce}, [lock, *(each.fileno() for each in worker.lendable)]
            )
            await self._loop.sock_recv(connection, 1)
        finally:
            if not worker.draining:
                worker.serve_on()
                self._lifetime.write_pid()
