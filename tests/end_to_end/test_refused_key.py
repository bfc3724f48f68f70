"""A provider that refuses its key costs nobody a ChatGPT login, which Codex renews after a 401."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cfp.demo.scripted_turns import Reject
from tests.end_to_end.harness import KEY, Machine, chatgpt_login, login_config
from tests.end_to_end.listeners import Listener
from tests.end_to_end.websocket import Switchboard

ERROR = {"type": "error", "status": 401, "error": {"code": "invalid_api_key", "message": "The key was refused."}}


@contextmanager
def _issuer() -> Iterator[tuple[str, list[str]]]:
    """Serve as the issuer of ChatGPT logins, which renews none; yield its URL and the paths of its requests."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"error": {"code": "refresh_token_expired"}}).encode()
            self.send_response(401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/oauth/token", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.parametrize("through_the_proxy", [True, False], ids=["proxy", "direct"])
def test_no_login_is_renewed_for_a_foreign_key(codex: Machine, transport: str, *, through_the_proxy: bool) -> None:
    """Direct Codex renews its login where the provider refuses that; with the split there is nothing to renew."""
    switchboard = Switchboard(error=ERROR)
    table = "supports_websockets = true\n" if transport == "websocket" else ""
    switch = switchboard if table else None
    with Listener(keys={KEY}, switch=switch) as upstream, _issuer() as (issuer, renewals):
        codex.upstream = upstream
        upstream.login = not through_the_proxy
        codex.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = issuer
        codex.write("config.toml", login_config(upstream.base_url, table=table))
        login = chatgpt_login()
        codex.write("auth.json", login)
        if through_the_proxy:
            codex.install("--upstream-api-key-env", "RELAY_KEY")
        upstream.default = Reject(status=401, message="The key was refused.")
        ran = codex.codex_exec()
        assert ran.code != 0
        assert "The key was refused." in ran.stderr or not through_the_proxy
        assert through_the_proxy == (renewals == []), ran.transcript
        assert login == (codex.home / "auth.json").read_text()
