"""Another user of the machine, who listens at a port and answers health requests as the proxy would."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

UID = 12345

# `stay` leaves the connection open, as the worker does; `close` ends it; `reset` ends it with an RST.
_PROGRAM = """
import encodings.idna, json, os, socket, struct, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
listener = socket.socket(); listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[2]))); listener.listen(64)
print(json.dumps([listener.getsockname()[1]]), flush=True)
open_connections = []
while True:
    connection, _ = listener.accept()
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        part = connection.recv(65536)
        if not part: break
        head += part
    print(json.dumps(head.decode("latin-1").partition("\\r\\n\\r\\n")[0].split("\\r\\n")), flush=True)
    body = sys.argv[3].encode()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    if sys.argv[4] == "stay":
        open_connections.append(connection)
        continue
    if sys.argv[4] == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
"""


@dataclass(frozen=True, slots=True)
class Forger:
    """The other user's program: its port, its process, and the heads of the requests that reached it."""

    port: int
    process: subprocess.Popen[str]
    heads: list[list[str]] = field(default_factory=list)

    @property
    def requests(self) -> list[str]:
        """Method and path of each request."""
        return [" ".join(head[0].split()[:2]) for head in self.heads if head[0]]


@contextmanager
def forger(health: Mapping[str, Any], *, port: int = 0, manner: str = "stay", uid: int = UID) -> Iterator[Forger]:
    """Answer every request at `port` with this health, as another user; only root can do that."""
    command = [sys.executable, "-c", _PROGRAM, str(uid), str(port), json.dumps(health), manner]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        stranger = Forger(json.loads(process.stdout.readline())[0], process)
        reader = threading.Thread(target=lambda: stranger.heads.extend(map(json.loads, process.stdout or ())))
        reader.start()
        try:
            yield stranger
        finally:
            process.kill()
            reader.join()
