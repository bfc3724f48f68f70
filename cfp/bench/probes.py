"""How a turn is made: by the real Codex through a capture, or directly with one request of our own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cfp.bench.asking import asked
from cfp.bench.capture import Capture
from cfp.bench.codex import codex_exec, config_text
from cfp.bench.timed_request import ErrorType, Phase, TimedRequest
from cfp.bench.workload import Profile, Tier, direct_body
from cfp.host.provider.client import ProviderClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every turn of a run asks for; `timeout` in seconds."""

    profile: Profile
    model: str
    effort: str | None
    timeout: float


class Probe(Protocol):
    async def __call__(self, tier: Tier, exchanges: list[TimedRequest], tell: Callable[[Phase], None]) -> str | None:
        """Make one turn, adding its exchanges as they begin; return what went wrong besides them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectProbe:
    route: ProviderClient
    task: Task

    async def __call__(self, tier: Tier, exchanges: list[TimedRequest], tell: Callable[[Phase], None]) -> str | None:
        task = self.task
        body = direct_body(
            task.profile, model=task.model, effort=task.effort, tier=tier, cache_key=secrets.token_hex(16)
        )
        exchange = TimedRequest(began=time.monotonic(), asked=None, sent=tier.value_sent, tell=tell)
        exchanges.append(exchange)
        tell(Phase.WAITING)
        async with asked(self.route, [("accept", "text/event-stream")], body, exchange) as answer:
            if answer is not None:
                async for _ in answer.pieces():
                    pass
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexProbe:
    """`program` is the Codex CLI; each turn has a home, a capture and a pass-phrase of its own."""

    route: ProviderClient
    task: Task
    program: Path

    async def __call__(self, tier: Tier, exchanges: list[TimedRequest], tell: Callable[[Phase], None]) -> str | None:
        task = self.task
        async with Capture(self.route, tier, exchanges, tell) as capture:
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
