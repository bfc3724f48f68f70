"""A worker's stand-in: the go byte, the health answer and the signals of the real one, and nothing else.

Run as `stand_in -I -m codex_fast_proxy serve …`, so that its command line is the real one's. The variable
STAND_IN holds JSON: busy (requests in flight), stubborn (ignore SIGTERM), say (a line for stderr), exit (exit
with that code after the go byte), nonce and pid (others than its own), mute (accept and never answer).
A GET of `/busy/N` sets the requests in flight; `/term` is answered once a SIGTERM has come; `/env/NAME` returns a
variable.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

HEALTH = "/__codex_fast_proxy/health"


class StandIn:
    def __init__(self, flags: dict[str, str], options: dict[str, object]) -> None:
        self.flags = flags
        self.options = options
        self.busy = int(str(options.get("busy", 0)))
        self.terminated = threading.Event()
        self.idle = threading.Event()
        self.set_busy(self.busy)
        self.answers = {"busy": self.set_busy, "term": self.await_term, "env": os.environ.get}

    def set_busy(self, count: int | str) -> None:
        self.busy = int(count)

    def await_term(self, _argument: str) -> None:
        self.terminated.wait()

    def on_term(self, _signal: int, _frame: object) -> None:
        if self.terminated.is_set() and not self.options.get("stubborn"):
            os._exit(0)
        # Not here: the handler may have interrupted `wait` with the event's own lock in its hands.
        threading.Thread(target=self.terminated.set).start()

    def health(self) -> dict[str, object]:
        named = {
            name.removeprefix("--").replace("-", "_"): value
            for name, value in self.flags.items()
            if name.startswith("--")
        }
        return {
            **named,
            "ok": True,
            "pid": self.options.get("pid", os.getpid()),
            "nonce": self.options.get("nonce", self.flags["--nonce"]),
            "port": int(self.flags["--port"]),
            "upstream_api_key_env": self.flags.get("--upstream-api-key-env"),
            "upstream_api_key_file": "--use-provider-auth-file" in self.flags,
            "pass_rate_limits": "--pass-rate-limits" in self.flags,
            "requests_in_flight": self.busy,
            "draining": self.terminated.is_set(),
            "cwd": str(Path.cwd()),
        }

    def answer(self, connection: socket.socket) -> None:
        with connection:
            request = connection.recv(65536)
            if self.options.get("mute"):
                connection.recv(1)
            elif request:
                path = request.split()[1].decode()
                name, _, argument = path[1:].partition("/")
                content = self.health() if path == HEALTH else self.answers[name](argument)
                body = json.dumps(content).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                if not self.busy:
                    self.idle.set()  # only now: it may end this process, and the answer with it

    def serve_control(self) -> None:
        """Be asked to end as on Windows: at a loopback socket whose port and secret are in a file."""
        control = socket.create_server(("127.0.0.1", 0))
        folder = Path(self.flags["--codex-home"]) / "codex-fast-proxy-state" / "state"
        named = {"port": control.getsockname()[1], "secret": "00"}
        (folder / f"fast_proxy.{self.flags['--nonce']}.sock").write_text(json.dumps(named))

        def serve() -> None:
            while True:
                with control.accept()[0] as connection:
                    line = b""
                    while not line.endswith(b"\n"):
                        line += connection.recv(65536)
                    connection.sendall(b"{}\n")
                if b"end" in line:
                    self.on_term(0, None)

        threading.Thread(target=serve, daemon=True).start()

    def run(self) -> None:
        if sys.platform == "win32":
            self.serve_control()
        else:
            signal.signal(signal.SIGTERM, self.on_term)
        host, port = self.flags["--host"], int(self.flags["--port"])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=64)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # as tests.systems.show_owner

        def accept() -> None:
            while True:
                threading.Thread(target=self.answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        os.write(1, b"listening\n")
        while not self.terminated.wait(0.1):
            pass  # a signal that the kernel gave to another thread is handled when this one runs Python
        while self.options.get("stubborn"):
            time.sleep(60)
        while not self.idle.wait(0.1):
            pass
        os._exit(0)


def main() -> None:
    if "--await-go" in sys.argv and os.read(0, 1) != b"g":
        return
    options = json.loads(os.environ.get("STAND_IN", "{}"))
    if "say" in options:
        sys.stderr.write(options["say"] + "\n")
    if "exit" in options:
        sys.exit(options["exit"])
    StandIn(dict(zip(sys.argv, [*sys.argv[1:], ""], strict=True)), options).run()


if __name__ == "__main__":
    main()
