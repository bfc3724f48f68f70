"""The plainest relay: what a hook of the facts starts in the place of our worker."""

from __future__ import annotations

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


def relay(port: int, upstream: str) -> None:
    """Serve POSTs on `port` by asking `upstream`, until the process is ended; prints one line when it listens."""
    parts = urlsplit(upstream)

    class Passing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self.send_response(answer.status)
            self.send_header("content-type", answer.headers["content-type"])
            self.end_headers()
            self.wfile.write(answer.read())
            connection.close()

    with ThreadingHTTPServer(("127.0.0.1", port), Passing) as server:
        print("listening", flush=True)  # noqa: T201 (the hook waits for this line)
        server.serve_forever()


if __name__ == "__main__":
    relay(int(sys.argv[1]), sys.argv[2])
