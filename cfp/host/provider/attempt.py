"""Sends the request of a verification by httpx; the step that it reached decides the code of a failure."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import anyio  # noqa: F401 - httpcore would load it while the clock runs
import httpcore
import httpx

import cfp
from cfp.codex.event_stream import EventStreamParser, json_object
from cfp.core.provider import host_of
from cfp.errors import Failed
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.redirects import read_redirect
from cfp.host.provider.response_content import error_text, provider_message, service_tier
from cfp.host.provider.secret import Secret, redact
from cfp.host.provider.socket_errors import words_of
from cfp.host.provider.verification import Verification, VerificationRequest
from cfp.messages import ErrorCode

_CONNECT = 15.0
_ERROR_BODY_TIME = 2.0
_ERROR_BODY = 64 * 1024
_LARGEST_EVENT = 1024 * 1024
_LONGEST_MESSAGE = 300


def verify(request: VerificationRequest, timeout: float, *, environ: Mapping[str, str] = os.environ) -> Verification:
    """Send one small `POST <upstream_base>/responses`, `stream: true`, and wait for its first event.

    timeout  seconds for all of it
    environ  for HTTPS_PROXY, NO_PROXY, CODEX_CA_CERTIFICATE and their like
    Raises Failed with `host` and `reason`, and where there is one `status`, the provider's own `message` (redacted,
    at most 300 characters) and `outbound_proxy` (host and port): upstream_dns, upstream_refused,
    upstream_unreachable, upstream_tls, upstream_rejected, upstream_redirect, upstream_not_sse, upstream_stalled,
    upstream_key_malformed. Must not be called from a running event loop.
    """
    return asyncio.run(Attempt(request, environ).run(timeout))


class Attempt:
    """One request in progress; the step that it reached decides the code of a failure."""

    def __init__(self, request: VerificationRequest, environ: Mapping[str, str]) -> None:
        self._request = request
        self._client = ProviderClient(
            upstream_base=request.upstream_base,
            key=request.key,
            environ=environ,
            extras=request.extras,
            overrides=request.overrides,
        )
        self._began = time.monotonic()
        self._connection: httpcore.AsyncNetworkStream | None = None
        self._handshaking = False
        self._request_sent = False

    async def run(self, timeout: float) -> Verification:  # noqa: ASYNC109 - it is what the failure says
        try:
            client = self._client.checked()
        except Failed as error:
            raise self._failed(error.code, str(error.details["reason"])) from error
        headers = [("accept", "text/event-stream"), ("user-agent", f"codex-fast-proxy/{cfp.__version__}")]
        patience = min(timeout, _CONNECT)
        try:
            async with asyncio.timeout(timeout), client.transport() as transport:
                message = client.request(headers, _body(self._request), trace=self._trace, connect_seconds=patience)
                response = await transport.handle_async_request(message)
                async with aclosing(response):
                    return await self._judge(response)
        except TimeoutError:
            raise self._timed_out(timeout) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            # `from None`: an exception of the libraries below may quote a header.
            raise self._transport_failed(error) from None
        finally:
            if self._connection is not None:  # httpcore leaves it open where the time runs out in a handshake
                await self._connection.aclose()

    async def _trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Follow httpcore's progress; through a CONNECT proxy, TLS comes after a first request of the proxy's own."""
        if event.endswith("connect_tcp.complete"):
            self._connection = details["return_value"]
        elif event.endswith("start_tls.started"):
            self._handshaking, self._request_sent = True, False
        elif event.endswith("send_request_headers.started"):
            self._handshaking, self._request_sent = False, True

    async def _judge(self, response: httpx.Response) -> Verification:
        status = response.status_code
        content_type = response.headers.get("content-type", "")
        if 300 <= status < 400 and status != 304 and "location" in response.headers:
            raise self._redirected(response)
        if not 200 <= status < 300:
            raise self._failed(
                "upstream_rejected", f"HTTP {status}", status=status, message=await self._provider_text(response)
            )
        if content_type.partition(";")[0].strip().lower() != "text/event-stream":
            reason = f"it answered {redact(content_type)[:80] or 'without a content type'}"
            raise self._failed("upstream_not_sse", reason, status=status, message=await self._provider_text(response))
        event = await _first(response.aiter_bytes())
        if event is None:
            raise self._failed("upstream_stalled", "the stream ended before its first event", status=status)
        first_event = self._elapsed()
        if event.get("type") in {"error", "response.failed"}:
            raise self._failed(
                "upstream_rejected", str(event["type"]), status=status, message=self._clean(error_text(event))
            )
        return Verification(
            status="verified",
            provider=self._request.provider,
            upstream_base=self._request.upstream_base,
            model=self._request.model,
            service_tier_request=self._request.service_tier,
            response_status=status,
            response_content_type=content_type,
            first_event_ms=first_event,
            total_ms=self._elapsed(),
            response_service_tier=service_tier(event),
            api_key_source=None if self._request.key is None else self._request.key.source,
        )

    def _redirected(self, response: httpx.Response) -> Failed:
        """Return the failure; the request goes nowhere else, since it has the key."""
        locations = [value for name, value in response.headers.raw if name.lower() == b"location"]
        base = self._request.upstream_base
        redirect = read_redirect(locations, f"{base}/responses", base)
        url, status = redirect.url or "an address that cannot be read", response.status_code
        return self._failed(
            "upstream_redirect", f"HTTP {status}", status=status, url=self._clean(url), base=redirect.base or "URL"
        )

    async def _provider_text(self, response: httpx.Response) -> str:
        """Return the provider's own text about its refusal; it is not worth a long wait."""
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ERROR_BODY_TIME):
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) >= _ERROR_BODY:
                        break
        return self._clean(provider_message(body, response.headers.get("content-type", "")))

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

    def _transport_failed(self, error: Exception) -> Failed:
        if isinstance(error, httpx.ConnectTimeout):
            return self._timed_out(_CONNECT)
        if isinstance(error, httpx.ProxyError):
            return self._failed("upstream_unreachable", "the outbound proxy refused")
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLError):
                return self._failed("upstream_tls", _tls_reason(cause))
            if isinstance(cause, socket.gaierror):
                return self._not_reached("upstream_dns", cause.strerror or "no such name")
            if isinstance(cause, ConnectionRefusedError):
                return self._not_reached("upstream_refused", words_of(cause) or "Connection refused")
        if self._handshaking:
            return self._failed("upstream_tls", "it hung up during the handshake")
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            code: ErrorCode = "upstream_stalled" if self._request_sent else "upstream_unreachable"
            return self._failed(code, "it hung up before its first event")
        reasons = [words_of(cause) for cause in _causes(error) if isinstance(cause, OSError)]
        return self._failed("upstream_unreachable", next(filter(None, reversed(reasons)), "no connection"))

    def _not_reached(self, code: ErrorCode, reason: str) -> Failed:
        """Return the failure; with an outbound proxy, the proxy is the peer that was not reached."""
        if self._client.proxy is None:
            return self._failed(code, reason)
        return self._failed("upstream_unreachable", f"the outbound proxy: {reason}")

    def _failed(self, code: ErrorCode, reason: str, **more: Any) -> Failed:
        proxy = self._client.proxy
        through = {} if proxy is None else {"outbound_proxy": host_of(proxy)}
        return Failed(code, host=self._client.host, reason=reason, **through, **more)


def _body(request: VerificationRequest) -> bytes:
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


async def _first(parts: AsyncIterator[bytes]) -> dict[str, Any] | None:
    """Return the first event, {} where its data is no JSON object.

    None where the stream ends without one, or the first one is larger than `_LARGEST_EVENT`.
    """
    parser, size = EventStreamParser(), 0
    async for part in parts:
        for data in parser.feed(part):
            return json_object(data) or {}
        size += len(part)
        if size > _LARGEST_EVENT:
            break
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and its causes, outermost first."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return error.verify_message
    return (error.reason or "the handshake failed").replace("_", " ").lower()
