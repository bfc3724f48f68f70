"""A real, installed home with a past: requests in its log, a benchmark, and a worker."""

from __future__ import annotations

import json
import math
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cfp.core.tiers.history import serialise_history
from cfp.layout import DASHBOARD_PATH, Layout
from tests.end_to_end.harness import KEY, Machine, api_key_login, relay_config

FAST, SLOW = "gpt-5.5", "gpt-5.5-codex"
GENERATION = "1f0c2d3e4a5b"
SESSIONS = ("0199a213-81c0-7800-8aa1-bbab2a035a53", "0199a25e-3f11-7a20-9c44-0d7c51e6b8f1", "0199a27b-c2de-7b93")


def url(machine: Machine, path: str = DASHBOARD_PATH) -> str:
    return f"http://127.0.0.1:{machine.port}{path}"


def line(at: datetime, number: int, **fields: Any) -> dict[str, Any]:
    """Return a line of the request log: a successful turn, unless the fields change it."""
    return {
        "ts": at.isoformat(timespec="milliseconds"),
        "request_id": f"5eed{number:012x}",
        "method": "POST",
        "path": "/v1/responses",
        "status": 200,
        "duration_ms": 4200.0,
        "first_byte_ms": 420.0,
        "first_output_ms": 910.0,
        "upstream_ms": 400.0,
        "eligible": True,
        "model": FAST,
        "service_tier_before": None,
        "service_tier_after": "priority",
        "service_tier_injected": True,
        "service_tier_policy": "auto",
        "service_tier_effective_policy": "inject_missing",
        "response_service_tier": "priority",
        "stream": True,
        "response_content_type": "text/event-stream",
        "usage": {"input_tokens": 18_432, "cached_tokens": 16_896, "output_tokens": 340, "reasoning_tokens": 128},
        "transport": "http",
        "session": "0199a213-81c0-7800-8aa1-bbab2a035a53",
        "kind": "turn",
        "settings_generation": GENERATION,
        **fields,
    }


def past(base: str, until: datetime, turns: int = 64) -> list[dict[str, Any]]:
    """Return an afternoon's lines: two models, most turns with the tier, one rate-limited, one interrupted."""
    chance = random.Random(11)
    lines: list[dict[str, Any]] = []
    gaps = [chance.uniform(0.2, 1.7) * 3.1 for _ in range(turns)]
    at = until - timedelta(minutes=sum(gaps))
    for number, gap in enumerate(gaps):
        at += timedelta(minutes=gap)
        plain = number % 4 == 3
        slower = 1.7 if plain else 1.0
        tokens = int(chance.lognormvariate(5.6, 0.7))
        first = slower * chance.lognormvariate(math.log(430), 0.28)
        usage = {
            "input_tokens": 9_000 + 260 * number,
            "cached_tokens": 8_200 + 250 * number,
            "output_tokens": tokens,
            "reasoning_tokens": tokens // 3,
        }
        fields: dict[str, Any] = {
            "model": SLOW if number % 5 == 4 else FAST,
            "first_byte_ms": round(first, 1),
            "first_output_ms": round(1.9 * first + slower * 160, 1),
            "upstream_ms": round(first * 0.94, 1),
            "duration_ms": round(first + slower * tokens * chance.uniform(9, 13), 1),
            "usage": usage,
            "upstream_base": base,
            "session": SESSIONS[number * len(SESSIONS) // turns],
            "kind": "subagent" if number % 7 == 5 else "turn",
            "ending": "completed",
        }
        if plain:
            fields |= {"service_tier_after": None, "service_tier_injected": False, "response_service_tier": "default"}
        elif number % 3 == 0:
            fields |= {"service_tier_before": "priority", "service_tier_injected": False}
        lines.append(line(at, number, **fields))
        if number % 9 == 0:
            lines.append(models(at - timedelta(seconds=4), 1000 + number, base))
    limited = {
        "status": 429,
        "first_output_ms": None,
        "response_service_tier": None,
        "usage": None,
        "duration_ms": 212.4,
        "first_byte_ms": 211.0,
    }
    lines[-9] |= {**limited, "ending": "failed", "response_content_type": "application/json", "upstream_ms": 208.8}
    lines[-4] |= {
        "error_type": "client_left",
        "ending": "left",
        "response_service_tier": None,
        "usage": None,
        "duration_ms": 1930.7,
    }
    return sorted(lines, key=lambda one: str(one["ts"]))


def models(at: datetime, number: int, base: str, **fields: Any) -> dict[str, Any]:
    """Return the line of a request for the list of models, as Codex sends it before a session."""
    nothing = dict.fromkeys(
        (
            "model",
            "session",
            "kind",
            "service_tier_after",
            "service_tier_effective_policy",
            "response_service_tier",
            "usage",
            "stream",
        )
    )
    return line(
        at,
        number,
        **nothing,
        method="GET",
        path="/v1/models",
        eligible=False,
        service_tier_injected=False,
        response_content_type="application/json",
        first_byte_ms=88.2,
        upstream_ms=84.0,
        duration_ms=91.4,
        upstream_base=base,
        **fields,
    )


def benchmark(base: str, at: datetime) -> dict[str, Any]:
    """Return a saved benchmark."""
    side = {"count": 8, "ok": 8, "median_output_chars": 1480, "median_first_output_ms": 900.0}
    return {
        "command": "benchmark",
        "status": "completed",
        "schema_version": 1,
        "ts": at.isoformat(timespec="seconds"),
        "provider": "relay",
        "upstream_base": base,
        "model": FAST,
        "reasoning_effort": "low",
        "profile": "full",
        "benchmark_mode": "codex-cli",
        "pairs": 8,
        "samples": [],
        "default": {**side, "median_total_ms": 9240.0, "median_ttfb_ms": 812.0},
        "priority": {**side, "median_total_ms": 6310.0, "median_ttfb_ms": 455.0},
        "observed_speedup_total": 1.464,
        "observed_speedup_first_output": 1.71,
        "confidence_interval": {"level": 0.9, "low": 1.31, "middle": 1.45, "high": 1.6, "pairs": 8},
        "verdict": "faster",
        "provider_confirmed_priority": True,
        "warnings": [],
        "message": "The priority tier made this workload faster.",
    }


def run(base: str, at: datetime, number: int) -> dict[str, Any]:
    """Return a result of the benchmarks' history; every third one found no effect."""
    fields = benchmark(base, at)
    if number % 3 == 2:
        interval = {"level": 0.9, "low": 0.91, "middle": 1.02, "high": 1.14, "pairs": 3}
        fields |= {"verdict": "no_effect", "observed_speedup_total": 1.021, "confidence_interval": interval}
    return fields | {"service_tier": "priority"}


def install(
    machine: Machine,
    lines: list[dict[str, Any]],
    saved: dict[str, Any] | None = None,
    *flags: str,
    runs: Sequence[dict[str, Any]] = (),
    config: str | None = None,
    login: str | None = None,
) -> None:
    """Install and start the proxy where the log already holds these lines.

    saved, runs    the last benchmark, and the history of all, the newest last
    config, login  texts of config.toml and auth.json; by default a provider with a key of its own, and an API key
    """
    layout = Layout(machine.home)
    machine.write("config.toml", relay_config(machine.upstream.base_url) if config is None else config)
    machine.write("auth.json", api_key_login() if login is None else login)
    layout.worker.mkdir(parents=True, exist_ok=True)
    layout.state.chmod(0o700)
    if lines:
        layout.request_log.write_text("".join(json.dumps(one) + "\n" for one in lines))
    if saved is not None:
        layout.benchmark.write_text(json.dumps(saved))
    history = b"" if not runs else serialise_history(runs[:-1], runs[-1])
    if history:
        layout.benchmark_history.write_bytes(history)
    machine.environ["PATH"] = "/usr/bin:/bin"  # without a Codex CLI, whose version would be read
    machine.install(*flags)


def served_with_present_settings(machine: Machine) -> None:
    """Let the lines of the log be of the settings that are in force, by which the diagnosis counts successes."""
    layout = Layout(machine.home)
    generation = sha256(layout.settings.read_bytes()).hexdigest()[:12]
    assert 0 == machine.cfp("stop", "--force").code
    layout.request_log.write_text(layout.request_log.read_text().replace(GENERATION, generation))
    assert 0 == machine.cfp("start").code
    while machine.cfp("status").json["diagnosis"]["last_success"] is None:
        pass  # the worker reads the log in a thread, soon after its start


def now() -> datetime:
    return datetime.now(UTC)


def turn(machine: Machine, *, tier: str | None = None, model: str = FAST) -> int:
    """Send one request as Codex would, read its response to the end, and return the status."""
    with _sent(machine, tier=tier, model=model) as connection:
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split(b" ", 2)[1])


def upgrade(machine: Machine) -> int:
    """Send a WebSocket handshake as Codex does, return the status, and close."""
    head = (
        f"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{machine.port}\r\nAuthorization: Bearer {KEY}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", machine.port), timeout=20) as connection:
        connection.sendall(head.encode())
        return int(connection.recv(65536).split(b" ", 2)[1])


@contextmanager
def running(machine: Machine, count: int) -> Iterator[None]:
    """Keep some requests running until the context ends."""
    contexts = []
    try:
        for _ in range(count):
            context = _sent(machine, tier=None, model=FAST)
            contexts.append((context, context.__enter__()))
        yield
    finally:
        for context, _ in contexts:
            context.__exit__(None, None, None)


@contextmanager
def _sent(machine: Machine, *, tier: str | None, model: str) -> Iterator[socket.socket]:
    body: dict[str, Any] = {"model": model, "stream": True, "input": []}
    if tier is not None:
        body["service_tier"] = tier
    text = json.dumps(body).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{machine.port}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", machine.port), timeout=20) as connection:
        connection.sendall(head.encode() + text)
        yield connection
