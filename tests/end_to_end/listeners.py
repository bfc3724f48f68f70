"""The listeners of the end-to-end tests: each knows which identities are its own, and names the others that came.

A provider's own identities are its keys. Codex's login (ChatGPT token, account id, personal access token, agent
identity, cookie) belongs to a listener only where the test says so: `login=True`, the direct or preserved case. The
fixtures of conftest.py ask every listener at the end of each test.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cfp.demo.provider import Connection, DemoProvider, Received
from cfp.demo.scripted_turns import Reply

_KEY: Final = re.compile(r"\bsk-[\w-]{4,}")
_LOGINS: Final = {
    "ChatGPT token": re.compile(r"eyJ[\w-]+\.[\w-]+\.c2ln"),  # as harness.py signs it
    "refresh token": re.compile(r"\brt-canary\b"),
    "personal access token": re.compile(r"\bat-canary\b"),
    "agent identity": re.compile(r"\bAgentAssertion "),
}
_HEADERS: Final = ("chatgpt-account-id", "cookie", "openai-organization", "openai-project")
LISTENERS: list[Listener] = []


class Listener(DemoProvider):
    """A provider whose identities are checked.

    keys   its own keys, beside `key`
    login  Codex's login may come here
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        keys: Collection[str] = (),
        login: bool = False,
        default: Reply | None = None,
        port: int = 0,
        switch: Callable[[Connection, Received], None] | None = None,
    ) -> None:
        super().__init__(key=key, default=default, port=port, switch=switch)
        self.keys = {*keys, *([key] if key else [])}
        self.login = login
        LISTENERS.append(self)

    def close(self) -> None:
        """Close a listener that was never started."""
        self._server.server_close()

    def foreign_identities(self) -> list[str]:
        """Return a line for each request with an identity that is not this listener's; never the identity itself."""
        return [
            f"{request.method} {request.path}: {', '.join(names)}"
            for request in self.received
            if (names := sorted(self._foreign(request)))
        ]

    def _foreign(self, request: Received) -> set[str]:
        text = "\n".join([request.path, *(f"{name}: {value}" for name, value in request.headers), _body(request)])
        names = {"another provider's key" for key in _KEY.findall(text) if key not in self.keys}
        if not self.login:
            names |= {name for name, pattern in _LOGINS.items() if pattern.search(text)}
            names |= {name for name in _HEADERS if request.header(name) is not None}
        return names


def _body(request: Received) -> str:
    try:
        return json.dumps(request.json())
    except ValueError:
        return request.body.decode("latin-1")


def foreign_identities() -> list[str]:
    """Return the lines of all listeners since `LISTENERS` was cleared."""
    return [line for listener in LISTENERS for line in listener.foreign_identities()]


@contextmanager
def account_server(account: str) -> Iterator[str]:
    """Yield the URL of what stands for OpenAI's account service: whose token it is, a task for each agent.

    No provider's key may come here: the test fails where one does.
    """
    keys: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
            """Log nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("latin-1")
            keys.extend(_KEY.findall(f"{self.headers}{body}"))
            person = {"email": "u@example.invalid", "chatgpt_user_id": "user-1", "chatgpt_plan_type": "pro"}
            whoami = {**person, "chatgpt_account_id": account, "chatgpt_account_is_fedramp": False}
            known = {"whoami": whoami, "register": {"task_id": "task-1"}}
            answer = next((value for word, value in known.items() if word in self.path), None)
            data = json.dumps(answer or {}).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 (the names are the base class's)

    with _Quiet(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
    assert [] == keys, "a key reached OpenAI's account service"


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: Codex ends while it still asks."""


def received(method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Received:
    """A request made by hand."""
    return Received(method=method, path=path, headers=headers, body=body, at=time.monotonic())
