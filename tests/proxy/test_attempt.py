"""One real request to a server of our own: what is sent, what counts as an answer, what each failure is called."""

from __future__ import annotations

import dataclasses
import gzip
import json
import socket
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from cfp.errors import Failed
from cfp.host.provider.codex_client import CodexClient
from cfp.host.provider.keys import KeyLocation, ProviderKey
from cfp.host.provider.request_extras import RequestExtras
from cfp.host.provider.secret import Secret
from cfp.host.provider.verification import Verification, VerificationRequest, skipped
from cfp.proxy.attempt import verify
from tests.host.servers import Behaviour, read_request, says, says_and_stays, serving
from tests.ports import free_port
from tests.proxy.framing import BODY, FORMS, Form

REFUSALS = json.loads((Path(__file__).parents[2] / "fixtures/wire/refusals.json").read_text(encoding="utf-8"))
CANARY = "sk-canary-0123456789abcdef"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"service_tier":"priority"}}\n\n'
STREAM = STREAM_HEAD + chunk(CREATED)


def plain(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def request(upstream_base: str, **changes: Any) -> VerificationRequest:
    made = VerificationRequest(
        provider="relay",
        upstream_base=upstream_base,
        model="gpt-5",
        service_tier="priority",
        key=ProviderKey(secret=Secret(CANARY), location=KeyLocation.PROCESS_ENV, name="RELAY_KEY"),
    )
    return dataclasses.replace(made, **changes)


def attempt(behaviour: Behaviour, *, timeout: float = 20, **changes: Any) -> Verification:
    with serving(behaviour) as server:
        return verify(request(f"http://127.0.0.1:{server.port}/v1", **changes), timeout, environ={})


def failure(call: Callable[[], object]) -> Failed:
    """Return the failure of the call, after a check that the key shows nowhere in it."""
    with pytest.raises(Failed) as caught:
        call()
    error = caught.value
    report = "".join(traceback.format_exception(error))
    assert "canary" not in report + repr(error.args) + json.dumps(error.details)
    assert "site-packages/http" not in report, "an exception of a library below may quote a header"
    return error


def refused(behaviour: Behaviour, **changes: Any) -> tuple[str, dict[str, Any]]:
    error = failure(lambda: attempt(behaviour, **changes))
    host = error.details.pop("host")
    assert host.startswith("127.0.0.1:")
    return error.code, error.details


class TestTheRequest:
    def sent(self, **changes: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
        with serving(says_and_stays(STREAM)) as server:
            verify(request(f"http://127.0.0.1:{server.port}/v1", **changes), 20, environ={})
        head, _, body = server.requests[0].decode().partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)
        return line, {name.lower(): value for name, value in headers.items()}, json.loads(body)

    def test_is_small_and_shaped_like_codexs(self) -> None:
        """A streaming Responses request that is not stored, with the tier that the candidate would send."""
        line, headers, body = self.sent()
        assert line == "POST /v1/responses HTTP/1.1"
        assert headers["authorization"] == f"Bearer {CANARY}"
        assert headers["content-type"] == "application/json"
        assert headers["accept"] == "text/event-stream"
        assert {"model": "gpt-5", "stream": True, "store": False, "service_tier": "priority"}.items() <= body.items()
        assert len(json.dumps(body)) < 400

    @pytest.mark.parametrize("overrides", [False, True])
    def test_looks_like_the_installed_codex(self, *, overrides: bool) -> None:
        """A relay that admits Codex's clients only sees one, with the provider's key of its own, too."""
        client = CodexClient(version=(0, 171, 0), built_in=True)
        _, headers, _ = self.sent(client=client, overrides=overrides)
        assert {name for name, _ in client.fields()} <= set(headers)
        assert headers["user-agent"].startswith("codex_exec/0.171.0 (")
        assert (headers["originator"], headers["version"]) == ("codex_exec", "0.171.0")
        assert headers["session-id"] == headers["thread-id"] == headers["x-client-request-id"]

    def test_no_tier_and_no_key_are_absent(self) -> None:
        """Absent, not null: that is how Codex leaves them out."""
        _, headers, body = self.sent(service_tier=None, key=None)
        assert "service_tier" not in body
        assert "authorization" not in headers

    EXTRAS = RequestExtras(
        headers=(
            ("X-Team", Secret("blue")),
            ("Authorization", Secret("Bearer from-table")),
            ("Cookie", Secret("session=1")),
            ("Bad Name", Secret("x")),
            ("X-Bad-Value", Secret("a\r\nInjected: 1")),
        ),
        query=(("api-version", Secret("2025-04-01")), ("k", Secret("a b&c"))),
    )

    def test_brings_the_tables_extras(self) -> None:
        """The key beats a header of the table, and what Codex could not send is left out."""
        line, headers, _ = self.sent(extras=self.EXTRAS)
        assert line == "POST /v1/responses?api-version=2025-04-01&k=a+b%26c HTTP/1.1"
        assert ("blue", f"Bearer {CANARY}", "session=1") == (
            headers["x-team"],
            headers["authorization"],
            headers["cookie"],
        )
        assert {"bad name", "x-bad-value", "injected"}.isdisjoint(headers)

    def test_without_a_key_the_tables_authorization_counts(self) -> None:
        """A provider may be given its key in http_headers."""
        assert self.sent(extras=self.EXTRAS, key=None)[1]["authorization"] == "Bearer from-table"

    def test_an_override_drops_the_identity_of_codex(self) -> None:
        """The user's own fields are sent, but for those that Codex fills from the login; the worker does the same."""
        identity = ("Cookie", "ChatGPT-Account-ID", "X-OAI-Attestation", "OpenAI-Project", "Proxy-Authorization")
        extras = RequestExtras(headers=(("X-Team", Secret("blue")), *((name, Secret("mine")) for name in identity)))
        _, headers, _ = self.sent(extras=extras, overrides=True)
        mine = {name for name, value in headers.items() if value in {"blue", "mine"}}
        assert {"x-team", "cookie", "openai-project"} == mine

    @pytest.mark.parametrize("key", ["sk-canary-\n", "sk-canary-\u00e9", " sk-canary-", "sk-canary-\x00"])
    def test_a_key_that_fits_in_no_header_is_not_sent(self, key: str) -> None:
        """The reason shows no character of it, and no connection is opened."""
        unsendable = ProviderKey(secret=Secret(key), location=KeyLocation.AUTH_JSON, name="RELAY_KEY")
        error = failure(lambda: verify(request("https://relay.invalid/v1", key=unsendable), 5, environ={}))
        assert error.code == "upstream_key_malformed"


class TestSuccess:
    def test_every_field_of_the_result(self) -> None:
        """The result is the contract of the commands that print it."""
        with serving(says_and_stays(STREAM)) as server:
            base = f"http://127.0.0.1:{server.port}/v1"
            result = verify(request(base), 20, environ={}).to_json()
            assert server.left.wait(20), "the connection is closed although the answer goes on"
        times = (result.pop("first_event_ms"), result.pop("total_ms"))
        assert 0 <= times[0] <= times[1] < 20_000
        assert result == {
            "status": "verified",
            "request": "POST /v1/responses",
            "stream": True,
            "profile": "smoke",
            "provider": "relay",
            "upstream_base": base,
            "model": "gpt-5",
            "service_tier_request": "priority",
            "response_status": 200,
            "response_content_type": "text/event-stream; charset=utf-8",
            "response_service_tier": "priority",
            "service_tier_refused": False,
            "api_key_source": "process_env:RELAY_KEY",
        }

    def test_skipped_has_the_same_fields(self) -> None:
        """Fields of a request that was not sent are null."""
        result = skipped(request("https://relay.example/v1")).to_json()
        assert result["status"] == "skipped"
        assert result["response_status"] is result["first_event_ms"] is result["total_ms"] is None
        assert CANARY not in json.dumps(result)

    @pytest.mark.parametrize(
        "parts",
        [
            (STREAM_HEAD, chunk(b": wait\n\n"), *(chunk(CREATED[at : at + 1]) for at in range(len(CREATED)))),
            (STREAM_HEAD.replace(b"200 OK", b"201 Created"), chunk(CREATED)),
            (STREAM_HEAD.replace(b"text/event-stream", b"Text/Event-Stream"), chunk(CREATED)),
            (b"HTTP/1.1 103 Early Hints\r\n\r\n", STREAM),
            (plain("200 OK", "text/event-stream", CREATED),),
        ],
    )
    def test_an_event_counts_however_it_comes(self, parts: tuple[bytes, ...]) -> None:
        """Comments first, byte by byte, another 2xx, another case, an interim answer, a finished one."""
        assert attempt(says(*parts)).response_service_tier == "priority"


class TestFraming:
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
    def test_what_is_verified_is_served(self, form: Form) -> None:
        """A route is verified where the worker serves it, and where the worker would answer 502, a code says so."""

        def act() -> str:
            try:
                return attempt(says(form.response)).status
            except Failed as error:
                return error.code

        assert act() == ("verified" if form.served else "upstream_not_http")

    @pytest.mark.parametrize("coding", ["gzip", "zstd"])
    def test_a_compressed_stream_is_read(self, coding: str) -> None:
        """Codex asks for both (0.171)."""
        body = gzip.compress(BODY) if coding == "gzip" else zstd.compress(BODY)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
        assert attempt(says(head.encode() + body)).status == "verified"


class TestFailures:
    def test_a_refusal_says_the_providers_own_words(self) -> None:
        """Status and message, with the key that the provider quotes blanked."""
        body = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}. Sign up!"}}).encode()
        assert refused(says(plain("401 Unauthorized", "application/json", body))) == (
            "upstream_key_refused",
            {"reason": "HTTP 401", "status": 401, "message": "Incorrect API key provided: ***. Sign up!"},
        )

    @pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case["name"])
    def test_a_refusal_is_read_from_the_wire(self, case: dict[str, Any]) -> None:
        """Each known answer of a provider or gateway has its cause, its status, and words on one line."""
        body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"], ensure_ascii=False)
        fields = "".join(f"{name}: {value}\r\n" for name, value in case["fields"].items())
        head = f"HTTP/1.1 {case['status']} Refused\r\n{fields}Content-Length: {len(body.encode())}\r\n\r\n"
        code, details = refused(says(head.encode() + body.encode()))
        assert (case["code"], case["status"]) == (code, details["status"])
        assert 0 < len(details["message"]) <= 300

    def test_a_long_refusal_is_cut_after_blanking(self) -> None:
        """300 signs, and no half of a key at the cut."""
        body = b"x" * 285 + b" " + CANARY.encode() + b" " + b"y" * 500
        code, details = refused(says(plain("400 Bad Request", "text/plain", body)))
        assert (code, "x" * 285 + " *** " + "y" * 10) == ("upstream_rejected", details["message"])

    def test_a_refusal_that_never_ends_is_told_by_its_status(self) -> None:
        """The words are worth a few seconds only."""
        head = b"HTTP/1.1 503 Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\nbusy"
        assert refused(says_and_stays(head), timeout=60) == (
            "upstream_failing",
            {"reason": "HTTP 503", "status": 503, "message": "busy"},
        )

    def test_a_redirect_is_not_followed(self) -> None:
        """The key goes to the host that the user named and to no other."""
        with serving(says_and_stays(STREAM)) as other:
            new = f"http://127.0.0.1:{other.port}/v2/responses"
            answer = f"HTTP/1.1 307 Moved\r\nLocation: {new}?key=secret\r\nContent-Length: 0\r\n\r\n"
            expected = {"reason": "HTTP 307", "status": 307, "url": new, "base": new.removesuffix("/responses")}
            assert ("upstream_redirect", expected) == refused(says(answer.encode()))
        assert other.requests == []

    def test_a_failure_as_the_first_event_is_a_refusal(self) -> None:
        """A relay that answers 200 and then fails does not work."""
        event = b'data: {"type":"response.failed","response":{"error":{"code":"x","message":"no credit"}}}\n\n'
        assert refused(says(STREAM_HEAD, chunk(event))) == (
            "upstream_rejected",
            {"reason": "response.failed", "status": 200, "message": "no credit"},
        )

    def test_json_is_not_a_stream(self) -> None:
        """A relay that ignores `stream` does not serve Codex."""
        assert refused(says(plain("200 OK", "application/json", b'{"error": "no streaming here"}'))) == (
            "upstream_not_sse",
            {"reason": "it answered application/json", "status": 200, "message": "no streaming here"},
        )

    @pytest.mark.parametrize(
        ("parts", "reason"),
        [
            ((STREAM_HEAD, chunk(b": x\n\n"), b"0\r\n\r\n"), "the stream ended before its first event"),
            ((STREAM_HEAD, chunk(b": x\n\n")), "it hung up before its first event"),
            ((b"",), "it hung up before its first event"),
        ],
    )
    def test_an_answer_that_breaks_off(self, parts: tuple[bytes, ...], reason: str) -> None:
        """Cleanly, in the middle, or before it began."""
        code, details = refused(says(*parts))
        assert ("upstream_stalled", reason) == (code, details["reason"])

    @pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n"])
    def test_another_protocol(self, greeting: bytes) -> None:
        """The reason says what no HTTP parser can read."""
        assert refused(says(greeting))[0] == "upstream_not_http"

    @pytest.mark.parametrize("sent", [b"", STREAM_HEAD, STREAM_HEAD + chunk(b": x\n\n")])
    def test_silence(self, sent: bytes) -> None:
        """No event within the time, however far it came."""
        assert refused(says_and_stays(sent), timeout=0.5) == ("upstream_stalled", {"reason": "no event in 0.5 s"})

    def test_comments_for_ever_are_silence(self) -> None:
        """Keep-alive comments do not extend the time."""

        def comments(connection: socket.socket, _request: bytes) -> None:
            connection.sendall(STREAM_HEAD)
            connection.settimeout(0.05)
            while True:
                connection.sendall(chunk(b": x\n\n"))
                try:
                    if not connection.recv(1):
                        return
                except TimeoutError:
                    continue

        assert refused(comments, timeout=0.6) == ("upstream_stalled", {"reason": "no event in 0.6 s"})

    def test_nobody_listens(self) -> None:
        """The host is named with its port, and the system's own words say why."""
        port = free_port()
        error = failure(lambda: verify(request(f"http://127.0.0.1:{port}/v1"), 20, environ={}))
        assert (error.code, error.details) == (
            "upstream_refused",
            {"host": f"127.0.0.1:{port}", "reason": "Connection refused"},
        )

    def test_no_address_of_a_name_accepts(self) -> None:
        """The refusals of several addresses, which asyncio puts into one error, are a refusal."""

        def resolve(_host: object, port: Any, *_: int) -> list[Any]:
            stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*stream, (address, int(port))) for address in ("127.0.0.1", "127.0.0.2")]

        url = f"http://relay.invalid:{free_port()}/v1"
        error = failure(lambda: verify(request(url), 20, environ={}, resolve=resolve))
        assert (error.code, error.details["reason"]) == ("upstream_refused", "Connection refused")

    def test_no_such_name(self) -> None:
        """Reserved names never resolve (RFC 6761)."""
        error = failure(lambda: verify(request("https://relay.invalid/v1"), 30, environ={}))
        assert (error.code, error.details["host"]) == ("upstream_dns", "relay.invalid")

    def test_user_information_is_not_shown(self) -> None:
        """Stored URLs carry none, but a message must not depend on that."""
        error = failure(lambda: verify(request(f"http://user:{CANARY}@127.0.0.1:{free_port()}/v1"), 20, environ={}))
        assert "user" not in error.details["host"]


class TestOutboundProxy:
    def test_it_is_used_and_named_without_its_password(self) -> None:
        """A request to a plain upstream goes to the proxy with the whole URL (absolute-form, RFC 9112 3.2.2)."""
        with serving(says_and_stays(STREAM)) as proxy:
            environ = {"HTTP_PROXY": f"http://user:{CANARY}@127.0.0.1:{proxy.port}"}
            assert verify(request("http://relay.invalid/v1"), 20, environ=environ).status == "verified"
        assert proxy.requests[0].startswith(b"POST http://relay.invalid/v1/responses HTTP/1.1\r\n")

    def test_loopback_goes_past_it(self) -> None:
        """The environment's proxy never sees a request to this machine."""
        with serving(says(b"")) as proxy, serving(says_and_stays(STREAM)) as server:
            environ = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "all_proxy": f"http://127.0.0.1:{proxy.port}"}
            verify(request(f"http://127.0.0.1:{server.port}/v1"), 20, environ=environ)
        assert proxy.requests == []

    def test_a_refusing_proxy_is_told_from_a_refusing_provider(self) -> None:
        """The details name the proxy, without its user and password."""
        answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        with serving(says(answer)) as proxy:
            environ = {"https_proxy": f"http://user:{CANARY}@127.0.0.1:{proxy.port}"}
            error = failure(lambda: verify(request("https://relay.invalid/v1"), 20, environ=environ))
        assert (error.code, error.details) == (
            "upstream_unreachable",
            {
                "host": "relay.invalid",
                "reason": "the outbound proxy refused",
                "outbound_proxy": f"127.0.0.1:{proxy.port}",
            },
        )

    @pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
    def test_socks(self, scheme: str) -> None:
        """The name is given to the proxy to resolve (RFC 1928), as the worker gives it."""
        connect_requests: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            assert connection.recv(3) == b"\x05\x01\x00"
            connection.sendall(b"\x05\x00")
            connect_requests.append(connection.recv(300))
            connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            read_request(connection)
            connection.sendall(STREAM)

        with serving(lambda connection, _: behave(connection), greeting=False) as proxy:
            environ = {"all_proxy": f"{scheme}://127.0.0.1:{proxy.port}"}
            result = verify(request("http://relay.invalid/v1"), 20, environ=environ)
        assert result.status == "verified"
        assert [b"\x05\x01\x00\x03\x0drelay.invalid\x00\x50"] == connect_requests

    @pytest.mark.parametrize("scheme", ["http", "socks5"])
    def test_a_proxy_that_is_not_there(self, scheme: str) -> None:
        """It is the proxy that refuses, not the provider."""
        port = free_port()
        environ = {"all_proxy": f"{scheme}://127.0.0.1:{port}"}
        error = failure(lambda: verify(request("http://relay.invalid/v1"), 20, environ=environ))
        assert (error.code, error.details) == (
            "upstream_unreachable",
            {
                "host": "relay.invalid",
                "reason": "the outbound proxy: Connection refused",
                "outbound_proxy": f"127.0.0.1:{port}",
            },
        )


class TestTls:
    def context(self, certificate: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        return context

    def test_an_unknown_authority_is_refused_before_the_key_is_sent(self, certificate: tuple[Path, Path]) -> None:
        """The reason is OpenSSL's own; not a byte of the request was sent."""
        with serving(says_and_stays(STREAM), context=self.context(certificate)) as server:
            error = failure(lambda: verify(request(f"https://127.0.0.1:{server.port}/v1"), 20, environ={}))
        assert (error.code, error.details["reason"]) == ("upstream_tls", "self-signed certificate")
        assert server.requests == []

    @pytest.mark.parametrize("name", ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"])
    def test_the_users_authority_is_trusted(self, certificate: tuple[Path, Path], name: str) -> None:
        """Either variable makes it work."""
        with serving(says_and_stays(STREAM), context=self.context(certificate)) as server:
            base = f"https://127.0.0.1:{server.port}/v1"
            assert verify(request(base), 20, environ={name: str(certificate[0])}).status == "verified"

    def test_a_certificate_for_another_name_is_refused(self, certificate: tuple[Path, Path]) -> None:
        """A trusted authority does not make every host the right one."""
        with serving(says_and_stays(STREAM), context=self.context(certificate)) as server:
            environ = {"SSL_CERT_FILE": str(certificate[0])}
            error = failure(lambda: verify(request(f"https://localhost:{server.port}/v1"), 20, environ=environ))
        assert error.code == "upstream_tls"
        assert "localhost" in error.details["reason"]

    def test_a_server_without_tls(self) -> None:
        """Plain HTTP at an https URL is a TLS failure, not a stall."""
        with serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), greeting=False) as server:
            error = failure(lambda: verify(request(f"https://127.0.0.1:{server.port}/v1"), 20, environ={}))
        assert (error.code, error.details["host"]) == ("upstream_tls", f"127.0.0.1:{server.port}")

    def test_a_handshake_that_never_ends(self) -> None:
        """Whoever accepts and says nothing is told by what was waited for."""
        with serving(says_and_stays(), greeting=False) as server:
            error = failure(lambda: verify(request(f"https://127.0.0.1:{server.port}/v1"), 0.5, environ={}))
        assert (error.code, error.details["reason"]) == ("upstream_tls", "no handshake in 0.5 s")

    def test_an_authority_file_that_is_not_there(self) -> None:
        """The user's own setting is named, and the host with it."""
        error = failure(lambda: verify(request("https://relay.invalid/v1"), 5, environ={"SSL_CERT_FILE": "/none"}))
        assert (error.code, error.details) == (
            "upstream_tls",
            {"host": "relay.invalid", "reason": "SSL_CERT_FILE names a file that cannot be used"},
        )

    @pytest.mark.parametrize("scheme", ["http", "socks5h"])
    def test_through_a_proxy(self, certificate: tuple[Path, Path], scheme: str) -> None:
        """TLS is spoken with the upstream inside the tunnel, and checked as without one."""

        def tunnel(connection: socket.socket, _request: bytes) -> None:
            if scheme == "http":
                assert connection.recv(4096).startswith(b"CONNECT 192.0.2.1:443 ")
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                connection.recv(3)
                connection.sendall(b"\x05\x00")
                connection.recv(300)
                connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            with self.context(certificate).wrap_socket(connection, server_side=True) as inner:
                read_request(inner)
                inner.sendall(STREAM)
                inner.recv(1)

        with serving(tunnel, greeting=False) as proxy:
            environ = {"https_proxy": f"{scheme}://127.0.0.1:{proxy.port}", "SSL_CERT_FILE": str(certificate[0])}
            error = failure(lambda: verify(request("https://192.0.2.1/v1"), 20, environ=environ))
        assert error.code == "upstream_tls"
        assert "192.0.2.1" in error.details["reason"]
