"""The worker's memory of the provider's tiers: a refusal outlives the worker, for a week, and can be forgotten."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cfp.core.tiers.records import KEPT_SECONDS, TierRecord, new_record, serialise_records
from cfp.host.tier_records import learn_from, read_records, write_records
from cfp.layout import Layout
from cfp.proxy.telemetry.log_lines import LogLine
from cfp.proxy.telemetry.tier_memory import TierMemory
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

URL = "https://relay.example/v1"
NOW = 1_800_000_000.0


@dataclass
class Memory:
    """A memory on a file, with a clock of its own."""

    path: Path
    now: float = NOW
    errors: list[OSError] = field(default_factory=list)

    def open(self, tier: str = "priority", url: str = URL) -> TierMemory:
        return TierMemory(self.path, url, tier, id_prefix="own", clock=lambda: self.now, on_error=self.errors.append)

    def on_disk(self) -> tuple[TierRecord, ...]:
        return read_records(self.path, self.now)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "fast_proxy.tiers.json")


def line(
    model: str = "m",
    tier: str | None = "priority",
    echoed: str | None = None,
    *,
    began: float = NOW + 1,
    **other: Any,
) -> LogLine:
    usual = {"request_id": "own00000001", "status": 200, "eligible": True, "ending": "completed"}
    ts = datetime.fromtimestamp(began, UTC).isoformat()
    return LogLine(ts=ts, model=model, service_tier_after=tier, response_service_tier=echoed, **{**usual, **other})


@asynchronous
async def test_a_refusal_outlives_the_worker(memory: Memory) -> None:
    """For its upstream and tier alone, and for a week."""
    first = memory.open()
    first.refusals.add("m")
    first.refusals.add(None)
    await first.close()
    assert {"m", None} == set(memory.open().refusals.models)
    assert set() == set(memory.open(tier="ultrafast").refusals.models)
    assert set() == set(memory.open(url="https://other.example/v1").refusals.models)
    memory.now += KEPT_SECONDS
    assert "m" not in memory.open().refusals.models
    assert "m" not in first.refusals.models  # of the worker that still runs


@asynchronous
async def test_what_others_forget_is_forgotten(memory: Memory) -> None:
    """The next request with a refused model reads the file again; a file that is gone forgets all."""
    running = memory.open()
    running.refusals.add("m")
    running.refusals.add("n")
    await running.close()
    verification = {"upstream_base": URL, "model": "m", "service_tier_request": "priority"}
    learned = learn_from(
        {**verification, "service_tier_refused": False, "response_service_tier": "fast"}, memory.path, NOW
    )
    assert learned is not None
    assert {"priority": 1} == learned.echoes
    assert "m" not in running.refusals.models
    assert "n" not in running.refusals.models
    assert [learned] == list(running.of_upstream())
    learn_from({**verification, "service_tier_refused": True, "response_service_tier": None}, memory.path, NOW)
    assert [True] == [record.refused for record in running.of_upstream()]
    assert "m" in running.refusals.models
    memory.path.unlink()
    assert "m" not in running.refusals.models


@asynchronous
async def test_answers_are_counted(memory: Memory) -> None:
    """Those of this worker that succeeded with a tier, by the tiers that they name; `fast` is `priority`."""
    running = memory.open()
    counted = [line(echoed="priority"), line(tier="fast", echoed="fast"), line(echoed="default"), line(echoed=None)]
    others = [
        *(line(tier=None, echoed="default"), line(tier="default"), line(tier="auto")),
        *(line(ending="failed"), line(eligible=False), line(request_id="earlier1"), line(ending="left")),
    ]
    running.add([*counted, *others])
    await running.close()
    (record,) = memory.on_disk()
    assert (4, {"priority": 2, "default": 1}) == (record.answers, record.echoes)


@asynchronous
async def test_a_success_with_the_tier_ends_a_refusal(memory: Memory) -> None:
    """Codex itself asked for it, and got it: the proxy adds it again."""
    running = memory.open()
    running.refusals.add("m")
    running.add([line()])
    assert "m" not in running.refusals.models
    await running.close()
    assert [False] == [record.refused for record in memory.on_disk()]


@asynchronous
async def test_an_older_success_ends_no_refusal(memory: Memory) -> None:
    """Its line comes with a batch, when a later request has been refused already."""
    running = memory.open()
    running.refusals.add("m")
    running.add([line(began=NOW - 2), line(began=NOW - 1)])
    assert "m" in running.refusals.models
    await running.close()
    assert [(True, 2)] == [(record.refused, record.answers) for record in memory.on_disk()]
    running.add([line(began=NOW - 1), line(began=NOW + 1)])
    assert "m" not in running.refusals.models
    await running.close()


@asynchronous
async def test_counts_alone_are_written_once_a_minute(memory: Memory) -> None:
    """The first answers at once, so that a killed worker loses a minute of counts at most."""
    running = memory.open()

    async def answers_on_disk() -> int:
        running.add([line()])
        await running.written()
        return sum(record.answers for record in memory.on_disk())

    assert [1, 2, 3, 3, 3] == [await answers_on_disk() for _ in range(5)]
    memory.now += 61
    assert 6 == await answers_on_disk()
    assert 6 == await answers_on_disk()
    await running.close()
    assert [7] == [record.answers for record in memory.on_disk()]


@asynchronous
async def test_a_disk_that_takes_nothing_costs_no_request(tmp_path: Path) -> None:
    """The error is reported, and the refusal counts for as long as the worker runs."""
    memory = Memory(tmp_path / "gone" / "fast_proxy.tiers.json")
    running = memory.open()
    running.refusals.add("m")
    await running.close()
    assert ["FileNotFoundError"] == [type(error).__name__ for error in memory.errors]
    assert "m" in running.refusals.models


@asynchronous
async def test_records_of_other_upstreams_stay(memory: Memory) -> None:
    """A worker adds to the file, and reports its own upstream's alone."""
    other = new_record("https://other.example/v1", "m", "priority", NOW).with_refusal(NOW)
    write_records(memory.path, serialise_records([other]))
    running = memory.open()
    running.add([line()])
    await running.close()
    assert {URL, other.upstream_base} == {record.upstream_base for record in memory.on_disk()}
    assert [URL] == [record.upstream_base for record in running.of_upstream()]


class Refusing:
    """A provider that refuses the tier until `serves`."""

    serves = False

    async def __call__(self, call: Call) -> None:
        refused = "service_tier" in json.loads(call.request.body) and not self.serves
        await call.send(answer(b"", b"400 Bad Request") if refused else answer(b"fine"))


@asynchronous
async def test_the_next_worker_does_not_ask_again(tmp_path: Path) -> None:
    """One refused request for all workers of a week; after a verification forgot it, the tier is tried again."""
    provider = Refusing()
    async with upstream(provider) as up:
        for _ in range(2):
            async with worker(tmp_path, up.base) as running:
                await _post(running)
        assert ["priority", None, None] == [json.loads(one.body).get("service_tier") for one in up.requests]
        provider.serves = True
        async with worker(tmp_path, up.base) as running:
            await _post(running)
            verification = {"upstream_base": up.base, "model": "m", "service_tier_request": "priority"}
            verification |= {"response_service_tier": "priority"}
            path = Layout(tmp_path).tier_records
            learn_from({**verification, "service_tier_refused": False}, path, time.time())
            await _post(running)
        sent = [json.loads(one.body).get("service_tier") for one in up.requests]
    assert ["priority", None, None, None, "priority"] == sent
    (record,) = read_records(path, time.time())
    assert (False, 2) == (record.refused, record.answers)


async def _post(running: Any) -> None:
    client = await running.client()
    client.post(b'{"model":"m"}', b"Connection: close")
    assert b"fine" == (await client.response()).body
    await client.close()
