"""Sends the request of a verification as the worker would: by its head, its dialler, its connection and its parser.

So a verified route is a served route. The step that the request reached decides the code of a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from errno import ECONNREFUSED
from typing import Any, Final

from cfp.codex.event_stream import EventStreamParser, json_object
from cfp.core.header_names import passing_fields
from cfp.core.provider import host_of
from cfp.errors import Failed
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.redirects import read_redirect
from cfp.host.provider.refusals import Answer, refusal_code
from cfp.host.provider.response_content import error_text, service_tier
from cfp.host.provider.secret import Secret, redact
from cfp.host.provider.socket_errors import words_of
from cfp.host.provider.verification import Verification, VerificationRequest
from cfp.messages import ErrorCode
from cfp.proxy.config import Limits
from cfp.proxy.credentials import AuthOverride
from cfp.proxy.http.content_coding import StreamDecoder
from cfp.proxy.http.headers import HeadRewrite, request_head
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.http.messages import END, Fault, Malformed, RequestHead, ResponseEvent, ResponseHead
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.upstream.dial import Dialer, DialFailed
from cfp.proxy.upstream.origin import parse_origin
from cfp.proxy.upstream.outbound_proxy import TunnelRefused
from cfp.proxy.upstream.pool import Pool, UpstreamConnection
from cfp.proxy.worker.event_loop import Resolver, run

_CONNECT: Final = 15.0
_ERROR_BODY_TIME: Final = 2.0
_ERROR_BODY: Final = 64 * 1024
_LARGEST_EVENT: Final = 1024 * 1024
_LONGEST_MESSAGE: Final = 300
_ERRNO: Final = re.compile(r"\[(?:Errno|WinError) (\d+)\]")
_REFUSED: Final = frozenset({str(ECONNREFUSED), "1225", "10061"})  # the last two: Windows'


def verify(
    request: VerificationRequest,
    timeout: float,
    *,
    environ: Mapping[str, str] = os.environ,
    resolve: Resolver = socket.getaddrinfo,
) -> Verification:
    """Send one small `POST <upstream_base>/responses`, `stream: true`, and wait for its first event.

    timeout  seconds for all of it
    environ  for HTTPS_PROXY, NO_PROXY, CODEX_CA_CERTIFICATE and their like
    Raises Failed with `host` and `reason`, and where there is one `status`, the provider's own `message`
    (redacted, at most 300 characters) and `outbound_proxy` (host and port): upstream_dns, upstream_refused,
    upstream_unreachable, upstream_tls, upstream_redirect, upstream_not_sse, upstream_web_page, upstream_stalled,
    upstream_not_http, upstream_key_malformed, and the codes of `refusal_code`. Must not be called from a running
    event loop.
    """
    return run(Attempt(request, environ).run(timeout), resolve)


class _BadResponse(Exception):
    """The response broke off, or cannot be read."""

    def __init__(self, malformed: Malformed) -> None:
        super().__init__(malformed.reason)
        self.malformed = malformed


class _Response:
    """The caller of one request: its events, in order."""

    def __init__(self) -> None:
        self._batches: asyncio.Queue[Sequence[ResponseEvent]] = asyncio.Queue()
        self._events: list[ResponseEvent] = []

    def on_response(self, events: Sequence[ResponseEvent]) -> None:
        self._batches.put_nowait(events)

    def pause_upload(self) -> None:
        """Do nothing: the request was written at once."""

    def resume_upload(self) -> None:
        """Do nothing, as in `pause_upload`."""

    async def head(self) -> ResponseHead:
        """Return the head of the final response; raises _BadResponse."""
        while True:
            event = await self._next()
            if isinstance(event, ResponseHead) and event.status >= 200:
                return event

    async def body(self, coding: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the decoded body as it comes; one that is not in its coding ends early. Raises _BadResponse."""
        decoder = None if coding == b"identity" else StreamDecoder(coding)
        while (event := await self._next()) is not END:
            if isinstance(event, bytes):
                piece = event if decoder is None else decoder.feed(event)
                if piece is None:
                    return
                yield piece

    async def _next(self) -> ResponseEvent:
        while not self._events:
            self._events = list(await self._batches.get())
        event = self._events.pop(0)
        if isinstance(event, Malformed):
            raise _BadResponse(event)
        return event


class Attempt:
    """One request in progress; the step that it reached decides the code of a failure."""

    def __init__(self, request: VerificationRequest, environ: Mapping[str, str]) -> None:
        self._request = request
        self._environ = environ
        self._client = ProviderClient(
            upstream_base=request.upstream_base,
            key=request.key,
            environ=environ,
            extras=request.extras,
            overrides=request.overrides,
        )
        self._origin = parse_origin(request.upstream_base)
        self._began = time.monotonic()
        self._handshaking = False
        self._request_sent = False

    async def run(self, timeout: float) -> Verification:  # noqa: ASYNC109 - it is what the failure says
        try:
            authorization = self._client.authorization()
        except Failed as error:
            raise self._failed(error.code, str(error.details["reason"])) from error
        limits = Limits(connect_seconds=min(timeout, _CONNECT))
        dialer = Dialer(self._origin, self._request.upstream_base, self._environ, limits)
        pool, buffer = Pool(dialer, ReadBuffer(), limits), ReadBuffer()

        def connected() -> UpstreamConnection:
            """Return the protocol of a connection that is open but for TLS."""
            self._handshaking = self._origin.tls
            return UpstreamConnection(pool, buffer.view(), limits)

        try:
            async with asyncio.timeout(timeout):
                connection = await dialer.dial(connected)
                self._handshaking, self._request_sent = False, True
                response = _Response()
                connection.call(response)
                connection.send(self._message(authorization, pool))
                return await self._judge(response)
        except TimeoutError:
            raise self._timed_out(timeout) from None
        except DialFailed as failed:
            # `from None`: an exception of the libraries below may quote a header.
            raise self._dial_failed(failed, limits.connect_seconds) from None
        except _BadResponse as error:
            raise self._broke_off(error.malformed) from None
        finally:
            pool.close()

    def _message(self, authorization: str | None, pool: Pool) -> list[bytes | bytearray | memoryview]:
        """Return the request as the worker would send it on after Codex had sent it there."""
        body = _body(self._request)
        fields = self._client.fields(self._request.client.fields())
        head = RequestHead(
            method=b"POST",
            target=b"",
            headers=[(name.encode(), name.encode(), value.encode("latin-1")) for name, value in fields.items()],
            fields={name.encode(): value.encode("latin-1") for name, value in fields.items()},
            minor=1,
            keep_alive=True,
            length=len(body),
            chunked=False,
            upgrade=False,
        )
        override = None
        if self._request.overrides and authorization is not None:
            names = passing_fields(name for name, _ in self._request.extras.headers)
            override = AuthOverride(authorization.encode("ascii"), frozenset(name.encode() for name in names))
        rewrite = HeadRewrite(
            target=self._origin.base_path + self._request.path.encode() + self._client.query.encode("ascii"),
            host=self._origin.host_field,
            via=os.urandom(8).hex().encode(),
            override=override,
            forward_proxy=pool.forward_proxy,
        )
        return [request_head(head, rewrite, len(body)), body]

    async def _judge(self, response: _Response) -> Verification:
        head = await response.head()
        status, content_type = head.status, head.fields.get(b"content-type", b"").decode("latin-1")
        if head.is_redirect:
            raise self._redirected(head)
        coding = head.fields.get(b"content-encoding", b"identity").strip().lower()
        body = response.body(coding)
        async with aclosing(body):
            if not 200 <= status < 300:
                answer = _answer(head, await self._beginning(body))
                raise self._failed(
                    refusal_code(answer), f"HTTP {status}", status=status, message=self._clean(answer.words)
                )
            is_stream = content_type.partition(";")[0].strip().lower() == "text/event-stream"
            beginning = bytearray()
            event = await _first(body, beginning, is_stream=is_stream)
        if event is None and not is_stream:
            answer = _answer(head, bytes(beginning))
            reason = f"it answered {redact(content_type)[:80] or 'without a content type'}"
            code: ErrorCode = "upstream_web_page" if answer.is_page else "upstream_not_sse"
            raise self._failed(code, reason, status=status, message=self._clean(answer.words))
        if event is None:
            raise self._failed("upstream_stalled", "the stream ended before its first event", status=status)
        first_event = self._elapsed()
        if event.get("type") in {"error", "response.failed"}:
            answer = Answer(status, {}, json.dumps(event.get("response") or event).encode())
            message = self._clean(error_text(event)) or "no reason"
            raise self._failed(refusal_code(answer), str(event["type"]), status=status, message=message)
        return Verification(
            status="verified",
            provider=self._request.provider,
            upstream_base=self._request.upstream_base,
            model=self._request.model,
            service_tier_request=self._request.service_tier,
            response_status=status,
            response_content_type=content_type or None,
            first_event_ms=first_event,
            total_ms=self._elapsed(),
            response_service_tier=service_tier(event),
            api_key_source=None if self._request.key is None else self._request.key.source,
        )

    def _redirected(self, head: ResponseHead) -> Failed:
        """Return the failure; the request goes nowhere else, since it has the key."""
        locations = [value for key, _, value in head.headers if key == b"location"]
        base = self._request.upstream_base
        redirect = read_redirect(locations, f"{base}/responses", base)
        url, status = redirect.url or "an address that cannot be read", head.status
        return self._failed(
            "upstream_redirect", f"HTTP {status}", status=status, url=self._clean(url), base=redirect.base or "URL"
        )

    async def _beginning(self, pieces: AsyncIterator[bytes]) -> bytes:
        """Return the beginning of a refusal's body; it is not worth a long wait."""
        body = b""
        with suppress(TimeoutError, _BadResponse):
            async with asyncio.timeout(_ERROR_BODY_TIME):
                async for piece in pieces:
                    body += piece
                    if len(body) >= _ERROR_BODY:
                        break
        return body

    def _clean(self, text: str) -> str:
        return redact(text, _secrets(self._request))[:_LONGEST_MESSAGE]

    def _elapsed(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    def _timed_out(self, timeout: float) -> Failed:
        if self._handshaking:
            return self._failed("upstream_tls", f"no handshake in {timeout:g} s")
        if self._request_sent:
            return self._failed("upstream_stalled", f"no event in {timeout:g} s")
        return self._failed("upstream_unreachable", f"no connection in {timeout:g} s")

    def _broke_off(self, malformed: Malformed) -> Failed:
        if malformed.fault is Fault.CLOSED:
            return self._failed("upstream_stalled", "it hung up before its first event")
        return self._failed("upstream_not_http", malformed.reason)

    def _dial_failed(self, failed: DialFailed, patience: float) -> Failed:
        if failed.response is LocalResponse.CA_FILE:
            return self._failed("upstream_tls", failed.details["reason"])
        if failed.response is LocalResponse.PROXY_SETTING:
            return self._failed("upstream_unreachable", "the outbound proxy's URL cannot be used")
        causes = list(_causes(failed))
        if any(isinstance(cause, TimeoutError) and cause.errno is None for cause in causes):
            return self._timed_out(patience)
        known = next(filter(None, map(self._known_failure, causes)), None)
        if known is not None:
            return known
        if self._handshaking:
            return self._failed("upstream_tls", "it hung up during the handshake")
        reasons = [words_of(cause) for cause in causes if isinstance(cause, OSError)]
        return self._failed("upstream_unreachable", next(filter(None, reversed(reasons)), "no connection"))

    def _known_failure(self, cause: BaseException) -> Failed | None:
        if isinstance(cause, TunnelRefused) or type(cause).__name__ == "ProxyError":  # python-socks'
            return self._failed("upstream_unreachable", "the outbound proxy refused")
        if isinstance(cause, ssl.SSLError):
            return self._failed("upstream_tls", _tls_reason(cause))
        if isinstance(cause, socket.gaierror):
            return self._not_reached("upstream_dns", cause.strerror or "no such name")
        if isinstance(cause, OSError) and _is_refusal(cause):
            return self._not_reached("upstream_refused", words_of(cause) or "Connection refused")
        return None

    def _not_reached(self, code: ErrorCode, reason: str) -> Failed:
        """Return the failure; with an outbound proxy, the proxy is the peer that was not reached."""
        if self._client.proxy is None:
            return self._failed(code, reason)
        return self._failed("upstream_unreachable", f"the outbound proxy: {reason}")

    def _failed(self, code: ErrorCode, reason: str, **more: Any) -> Failed:
        proxy = self._client.proxy
        through = {} if proxy is None else {"outbound_proxy": host_of(proxy)}
        return Failed(code, host=self._client.host, reason=reason, **through, **more)


def _answer(head: ResponseHead, body: bytes) -> Answer:
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.fields.items()}
    return Answer(head.status, fields, body)


def _body(request: VerificationRequest) -> bytes:
    if request.is_probe:
        return b"{}"
    body = {
        "model": request.model,
        "instructions": "Answer with the one word OK.",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "OK?"}]}],
        "store": False,
        "stream": True,
        **({} if request.service_tier is None else {"service_tier": request.service_tier}),
    }
    return json.dumps(body).encode()


def _secrets(request: VerificationRequest) -> list[Secret]:
    key = [] if request.key is None else [request.key.secret]
    return [*key, *(secret for _, secret in (*request.extras.headers, *request.extras.query))]


async def _first(parts: AsyncIterator[bytes], beginning: bytearray, *, is_stream: bool) -> dict[str, Any] | None:
    """Return the first event, {} where its data is no JSON object and the type says that this is a stream.

    As in Codex, the events decide, not the type. `beginning` gets the beginning of the body. None where the stream
    ends without an event, or the first one is larger than `_LARGEST_EVENT`.
    """
    parser, size = EventStreamParser(), 0
    async for part in parts:
        for data in parser.feed(part):
            event = json_object(data)
            if event is not None or is_stream:
                return event or {}
        beginning += part[: _ERROR_BODY - len(beginning)]
        size += len(part)
        if size > _LARGEST_EVENT:
            break
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and its causes, outermost first."""
    yield error
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)


def _is_refusal(error: OSError) -> bool:
    """Whether every address refused; asyncio puts the errors of several into the text of one."""
    if isinstance(error, ConnectionRefusedError):
        return True
    numbers = _ERRNO.findall(str(error)) if error.errno is None else []
    return bool(numbers) and set(numbers) <= _REFUSED


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return error.verify_message
    return (error.reason or "the handshake failed").replace("_", " ").lower()
