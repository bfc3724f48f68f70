"""URLs that people write, against providers as they are: the error names the URL that works, tried without a key."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest

from cfp.codex.event_stream import format_event
from tests.end_to_end.harness import KEY, Machine, relay_config

_JSON: Final = "application/json"
_HTML: Final = "text/html"
_EVENT: Final = format_event("response.created", b'{"type": "response.created", "response": {}}')
_PAGE: Final = (200, _HTML, b"<!doctype html><html><head><title>New API</title></head><body></body></html>")
_NOT_FOUND: Final = (404, _JSON, b'{"error": {"message": "Invalid URL (POST)", "type": "invalid_request_error"}}')
_NO_KEY: Final = (401, _JSON, b'{"error": {"message": "No key", "type": "new_api_error"}}')
_STREAM: Final = (200, "text/event-stream", _EVENT)

Answer = tuple[int, str, bytes]


class Site:
    """A provider by its paths; `requests` has a pair for each request: its path, and whether it had the key.

    elsewhere  the answer at every other path
    walled     a request without the key is refused at every path, before anybody looks for it
    """

    def __init__(self, paths: Mapping[str, Answer], elsewhere: Answer, *, walled: bool) -> None:
        self.requests: list[tuple[str, bool]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
                """Log nothing."""

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                has_key = self.headers["authorization"] == f"Bearer {KEY}"
                assert has_key or KEY not in str(self.headers)
                site.requests.append((self.path, has_key))
                known = paths.get(self.path)
                refused = not has_key and (walled or known is not None)
                status, content_type, body = _NO_KEY if refused else known or elsewhere
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve; yields the origin."""
        with self._server as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self.origin
            finally:
                server.shutdown()
                thread.join()


def refused(machine: Machine, url: str, *, port: bool = True) -> dict[str, Any]:
    """Return the refusal of an install with this URL in config.toml; it has the deciding facts and no key."""
    machine.write("config.toml", relay_config(url))
    ran = machine.cfp("install", "--start", *(("--port", str(machine.port)) if port else ()))
    assert 2 == ran.code, ran.transcript
    assert KEY not in ran.stdout + ran.stderr
    return ran.json


BOTH: Final = {"/v1/responses": _STREAM, "/v1/chat/completions": (400, _JSON, b"{}")}
CHAT: Final = {"/v1/chat/completions": (400, _JSON, b"{}")}


@pytest.mark.parametrize(
    ("paths", "elsewhere", "written", "code"),
    [
        (BOTH, _NOT_FOUND, "", "upstream_lacks_version"),
        (BOTH, _PAGE, "", "upstream_lacks_version"),
        (BOTH, _NOT_FOUND, "/v1/responses", "upstream_url_of_endpoint"),
        (BOTH, _NOT_FOUND, "/v1/chat/completions", "upstream_url_of_endpoint"),
        (BOTH, _PAGE, "/v1/responses", "upstream_url_of_endpoint"),
    ],
)
def test_the_url_that_works_is_named(
    machine: Machine, paths: Mapping[str, Answer], elsewhere: Answer, written: str, code: str
) -> None:
    """A command has it that installs as it is; until then the key goes to the path alone that the user wrote."""
    site = Site(paths, elsewhere, walled=False)
    with site.serving() as origin:
        answer = refused(machine, origin + written)
        assert (code, f"{origin}/v1") == (answer["code"], answer["suggestion"])
        assert {path for path, has_key in site.requests if has_key} == {f"{written}/responses"}
        _, *words = shlex.split(answer["next_user_action"].split("`")[1])
        ran = machine.cfp(*words, "--port", str(machine.port))
        assert (0, f"{origin}/v1") == (ran.code, ran.json["upstream_base"]), ran.transcript


@pytest.mark.parametrize(
    ("paths", "elsewhere", "walled", "written", "code"),
    [
        (CHAT, _NOT_FOUND, False, "/v1", "upstream_chat_only"),
        (CHAT, _NOT_FOUND, True, "/v1", "upstream_path_unknown"),
        (BOTH, _NOT_FOUND, True, "", "upstream_path_unknown"),
        ({}, _NOT_FOUND, False, "/v1", "upstream_path_unknown"),
        ({}, _PAGE, False, "/v1", "upstream_web_page"),
        ({}, _PAGE, False, "", "upstream_web_page"),
    ],
)
def test_no_url_is_named_that_was_not_seen(
    machine: Machine, paths: Mapping[str, Answer], elsewhere: Answer, *, walled: bool, written: str, code: str
) -> None:
    """Nothing is known of any path where each refuses a request without a key; a chat API is named as one."""
    site = Site(paths, elsewhere, walled=walled)
    with site.serving() as origin:
        answer = refused(machine, origin + written)
        assert (code, False) == (answer["code"], "suggestion" in answer)
        assert f"{written}/responses" in answer["error"]
        assert [(f"{written}/responses", True)] == [request for request in site.requests if request[1]]
        assert len(site.requests) <= 5


def test_an_enabled_home_is_led_by_set_upstream(machine: Machine) -> None:
    """The advice is the command that changes a route there, and it keeps the rest."""
    machine.relay()
    machine.install()
    site = Site(BOTH, _NOT_FOUND, walled=False)
    with site.serving() as origin:
        ran = machine.cfp("set-upstream", "--upstream-base", origin)
        assert (2, "upstream_lacks_version") == (ran.code, ran.json["code"]), ran.transcript
        assert f"Run `codex-fast-proxy set-upstream --upstream-base {origin}/v1`." == ran.json["next_user_action"]
        assert 0 == machine.cfp("set-upstream", "--upstream-base", f"{origin}/v1").code


def test_a_saved_upstream_is_saved_anew(machine: Machine) -> None:
    """Its route is not the one in use, which the advice leaves as it is."""
    machine.relay()
    machine.install()
    site = Site(BOTH, _NOT_FOUND, walled=False)
    with site.serving() as origin:
        added = machine.cfp("upstream", "add", "other", "--upstream-base", origin, "--from-stdin", entered=KEY)
        assert 0 == added.code, added.transcript
        answer = machine.cfp("upstream", "use", "other").json
        assert ("upstream_lacks_version", f"{origin}/v1") == (answer["code"], answer["suggestion"])
        _, *words = shlex.split(answer["next_user_action"].split("`")[1])
        assert 0 == machine.cfp(*words, entered=KEY).code
        assert f"{origin}/v1" == machine.cfp("upstream", "use", "other").json["upstream_base"]
