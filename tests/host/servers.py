"""A loopback server for one test: what it was sent, and an answer written by hand."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from cfp.demo.provider import hang_up

Behaviour = Callable[[socket.socket, bytes], None]


@dataclass
class Served:
    """`requests` holds each request's head and body as they came; `left` is set when a client hangs up."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)


def says(*parts: bytes) -> Behaviour:
    """Send these bytes and close."""

    def behave(connection: socket.socket, _request: bytes) -> None:
        for part in parts:
            connection.sendall(part)

    return behave


def says_and_stays(*parts: bytes) -> Behaviour:
    """Send these bytes and wait until the client hangs up."""

    def behave(connection: socket.socket, _request: bytes) -> None:
        for part in parts:
            connection.sendall(part)
        while connection.recv(65536):
            pass

    return behave


@contextmanager
def serving(
    behaviour: Behaviour,
    *,
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    greeting: bool = True,
) -> Iterator[Served]:
    """Serve each connection by `behaviour(connection, request)`, in threads that end with the context.

    Without `greeting` no request is read first: the behaviour does all the talking.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        served = Served(port=listener.getsockname()[1])
        open_connections: set[socket.socket] = set()
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                try:
                    wrapped = connection if context is None else context.wrap_socket(connection, server_side=True)
                    with wrapped:
                        open_connections.add(wrapped)
                        request = read_request(wrapped) if greeting else b""
                        if request:
                            served.requests.append(request)
                        behaviour(wrapped, request)
                finally:
                    served.left.set()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    open_connections.add(connection)
                    thread = threading.Thread(target=one, args=(connection,))
                    threads.append(thread)
                    thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield served
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            if sys.platform == "win32":  # where no listener can be shut down
                listener.close()
            accepting.join(20)
            for connection in list(open_connections):
                hang_up(connection)
            for thread in threads:
                thread.join(20)


def read_request(connection: socket.socket) -> bytes:
    """One request by its Content-Length; b"" where the client says nothing."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(65536)
        if not part:
            return request
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
