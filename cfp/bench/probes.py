"""Probes, which make one trial each: by the real Codex through a capture, or by one direct request."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cfp.bench.capture import Capture
from cfp.bench.codex_exec import codex_exec, config_text
from cfp.bench.http_client import send
from cfp.bench.timed_request import ErrorType, Phase, TimedRequest
from cfp.bench.workload import Profile, Tier, direct_body
from cfp.core.tiers.names import PRIORITY
from cfp.host.provider.client import ProviderClient
from cfp.host.provider.codex_client import CodexClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The parameters that all trials of a run share; `timeout` is in seconds, `service_tier` the measured tier."""

    profile: Profile
    model: str
    effort: str | None
    timeout: float
    service_tier: str = PRIORITY


class Probe(Protocol):
    async def __call__(self, tier: Tier, requests: list[TimedRequest], report: Callable[[Phase], None]) -> str | None:
        """Make one trial and append its requests as they begin; return an error that belongs to none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectProbe:
    """`client` is the Codex in whose place the requests are sent."""

    route: ProviderClient
    task: Task
    client: CodexClient = field(default_factory=CodexClient)

    async def __call__(self, tier: Tier, requests: list[TimedRequest], report: Callable[[Phase], None]) -> str | None:
        task = self.task
        sent = tier.value_sent(task.service_tier)
        body = direct_body(
            task.profile, model=task.model, effort=task.effort, tier=sent, cache_key=secrets.token_hex(16)
        )
        timed = TimedRequest(began=time.monotonic(), tier_requested=None, tier_sent=sent, report=report)
        requests.append(timed)
        report(Phase.WAITING)
        async with send(self.route, self.client.fields(), body, timed) as response:
            if response is not None:
                async for _ in response.pieces():
                    pass
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexProbe:
    """`program` is the Codex CLI; each trial has a home, a capture and a pass-phrase of its own."""

    route: ProviderClient
    task: Task
    program: Path

    async def __call__(self, tier: Tier, requests: list[TimedRequest], report: Callable[[Phase], None]) -> str | None:
        task = self.task
        async with Capture(self.route, tier.value_sent(task.service_tier), requests, report) as capture:
            try:
                code = await codex_exec(
                    self.program,
                    task.profile.prompt,
                    config=config_text(
                        base_url=capture.base_url, model=task.model, effort=task.effort, timeout=task.timeout
                    ),
                    environ=self.route.environ,
                    origin=capture.origin,
                    pass_phrase=capture.pass_phrase,
                )
            except OSError:
                return ErrorType.CODEX
        return ErrorType.CODEX if code else None
