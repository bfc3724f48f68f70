"""A stand-in of version 0.1.0's worker, from what is known of it: it answers, has no nonce, and is deaf to SIGTERM.

python tests/end_to_end/old_worker.py -m codex_fast_proxy serve --host 127.0.0.1 --port PORT
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTH = {
    "ok": True,
    "pid": os.getpid(),
    "proxy_base": "/v1",
    "upstream_base": "https://relay.example/v1",
    "service_tier": "priority",
    "version": "0.1.0",
    "runtime_id": "of an older code",
}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(HEALTH).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    server.serve_forever()
