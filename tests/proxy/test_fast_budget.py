"""A budget of Fast a day: Fast is dropped once it is spent, and work goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.tiers.rules import BUDGET, POLICY
from cfp.proxy.telemetry.fast_budget import FastBudget
from cfp.proxy.telemetry.log_lines import LogLine, encode
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.telemetry.response_facts import TokenCounts
from tests.proxy.exchange.test_websocket_tunnel import CREATE, connected, say_completed, serving
from tests.proxy.support import Call, Running, answer, asynchronous, upstream, worker

DAY = 86400
NOON = 1_800_000_000 // DAY * DAY + DAY // 2
EVENT = b'data: {"type":"response.completed","response":{"usage":{"input_tokens":30,"output_tokens":20}}}\n\n'
STREAM = answer(EVENT, b"200 OK", b"Content-Type: text/event-stream")


async def relay(call: Call) -> None:
    await call.send(STREAM)


async def post(running: Running, *bodies: bytes) -> None:
    client = await running.client()
    for body in bodies:
        client.post(body)
        assert (await client.response()).start == b"HTTP/1.1 200 OK"
    await client.close()


def sent(requests: list[Any]) -> list[str | None]:
    return [json.loads(request.body).get("service_tier") for request in requests]


BODIES = (b"{}", b'{"service_tier":"flex"}', b'{"service_tier":"ultrafast"}', b"{}", b'{"service_tier":"fast"}')


@asynchronous
async def test_fast_is_dropped_once_the_budget_is_spent(tmp_path: Path) -> None:
    """Whoever asks for it; other tiers pass and cost nothing, and a restart forgets nothing."""
    async with upstream(relay) as up:
        async with worker(tmp_path, up.base, fast_requests_a_day=3) as running:
            await post(running, *BODIES)
        assert sent(up.requests) == ["priority", "flex", "ultrafast", "priority", None]
        names = [line["service_tier_rule"] for line in running.log()]
        assert names == [POLICY, POLICY, POLICY, POLICY, BUDGET]
        async with worker(tmp_path, up.base, fast_requests_a_day=4) as running:
            await post(running, *BODIES)
            running.worker.newest_lines()
            budget = running.worker.fast_budget
            assert budget is not None
            assert {"requests": 4, "tokens": 200, "spent": True}.items() <= budget.report().items()
        assert sent(up.requests[5:]) == ["priority", "flex", None, None, None]


@asynchronous
async def test_tokens_are_counted_when_a_request_has_ended(tmp_path: Path) -> None:
    """Those of requests with Fast; a rule that adds Fast does not outlive the budget."""
    async with (
        upstream(relay) as up,
        worker(tmp_path, up.base, fast_tokens_a_day=100, service_tier_rules=("add",)) as running,
    ):
        for _ in range(4):
            await post(running, b"{}")
            running.worker.newest_lines()
    assert sent(up.requests) == ["priority", "priority", None, None]
    assert [line["service_tier_rule"] for line in running.log()] == ["add", "add", BUDGET, BUDGET]


@asynchronous
async def test_the_turns_of_a_websocket_are_counted(tmp_path: Path) -> None:
    """Each turn is one request; a message that only warms the connection up costs nothing."""
    async with upstream(serving(say_completed)) as up, worker(tmp_path, up.base, fast_requests_a_day=2) as running:
        client, socket = await connected(running)
        tiers = []
        for generate in (False, True, True, True):
            await socket.send({**CREATE, "generate": generate, "service_tier": "priority"})
            await socket.receive()
            tiers.append((await socket.receive())["asked"].get("service_tier"))
        await client.close()
        await up.gone.get()
    assert tiers == ["priority", "priority", "priority", None]


@asynchronous
async def test_requests_at_once_do_not_exceed_it(tmp_path: Path) -> None:
    """A request counts from its start."""
    release = asyncio.Event()

    async def waiting(call: Call) -> None:
        await release.wait()
        await call.send(STREAM)

    async with upstream(waiting) as up, worker(tmp_path, up.base, fast_requests_a_day=2) as running:
        posts = [asyncio.ensure_future(post(running, b"{}")) for _ in range(6)]
        while len(up.requests) < len(posts):  # noqa: ASYNC110  the upstream has no event for it
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*posts)
    assert sorted(map(str, sent(up.requests))) == ["None"] * 4 + ["priority"] * 2


@asynchronous
async def test_a_refused_tier_costs_nothing(tmp_path: Path) -> None:
    """The request that was repeated without Fast is none with Fast."""

    async def refusing(call: Call) -> None:
        await call.send(answer(b"no", b"400 No") if "service_tier" in json.loads(call.request.body) else STREAM)

    async with upstream(refusing) as up, worker(tmp_path, up.base, fast_requests_a_day=1) as running:
        await post(running, b"{}", b"{}")
        budget = running.worker.fast_budget
        assert budget is not None
        assert {"requests": 0, "tokens": 0, "spent": False}.items() <= budget.report().items()


@asynchronous
async def test_what_the_provider_does_not_run_costs_nothing(tmp_path: Path) -> None:
    """Its errors, however often Codex repeats the request, before a restart and behind it."""

    async def failing(call: Call) -> None:
        statuses = [b"503 No", b"429 No", b"401 No"]
        await call.send(answer(b"no", statuses[len(up.requests) % 3]) if len(up.requests) <= 9 else STREAM)

    async with upstream(failing) as up:
        for _ in range(3):
            async with worker(tmp_path, up.base, fast_requests_a_day=1) as running:
                client = await running.client()
                for _ in range(4):
                    client.post()
                    await client.response()
                await client.close()
    assert sent(up.requests) == ["priority"] * 10 + [None] * 2


EVENTS = st.lists(
    st.tuples(st.integers(0, DAY), st.sampled_from(["priority", "fast", "flex", None]), st.integers(0, 50)),
    max_size=30,
)


@given(EVENTS, st.none() | st.integers(1, 8), st.none() | st.integers(1, 200))
def test_each_day_has_the_whole_budget(
    events: list[tuple[int, str | None, int]], requests: int | None, tokens: int | None
) -> None:
    """Over any days, the budget is spent exactly where a plain count of that day's requests says so."""
    now = float(NOON)
    budget = FastBudget(requests=requests, tokens=tokens, log=Path("/no/log"), clock=lambda: now)
    counts: dict[int, list[int]] = {}
    for number, (seconds, tier, used) in enumerate(events):
        now += seconds
        day = counts.setdefault(int(now // DAY), [0, 0])
        spent = (requests is not None and day[0] >= requests) or (tokens is not None and day[1] >= tokens)
        assert budget.is_spent() is spent
        record = RequestRecord(number, b"POST", b"/v1/responses")
        record.tier_after = tier
        record.status, record.response_at = 200, 1.0
        budget.begin(record)
        budget.end(record)
        budget.spend(LogLine(ts="t", service_tier_after=tier, usage=TokenCounts(input_tokens=used, output_tokens=1)))
        if tier in {"priority", "fast"}:
            day[0] += 1
            day[1] += used + 1


@pytest.mark.parametrize("files", [1, 3])
def test_the_log_of_the_day_is_read_once(tmp_path: Path, files: int) -> None:
    """Lines of the day count wherever rotation has moved them; those of the day before do not."""
    log = tmp_path / "log.jsonl"
    day = "2027-01-15"
    before = LogLine(
        ts="2027-01-14T23:59:59.000+00:00",
        request_id="a",
        eligible=True,
        status=200,
        upstream_ms=1.0,
        service_tier_after="priority",
    )
    names = [log, *(tmp_path / f"log.jsonl.{number}" for number in range(1, files))]
    for number, path in enumerate(names):
        lines = [
            LogLine(
                ts=f"{day}T00:00:0{place}.000+00:00",
                request_id=f"{number}{place}",
                eligible=place != 3,
                status=200,
                upstream_ms=1.0,
                service_tier_after="flex" if place == 2 else "priority",
                usage=TokenCounts(input_tokens=5, output_tokens=2),
            )
            for place in range(4)
        ]
        path.write_bytes(encode([before, *lines] if path is names[-1] else lines) + b'{"ts":"torn')
        path.chmod(0o600)
    seconds = 1_800_000_000.0
    budget = FastBudget(requests=5, tokens=None, log=log, clock=lambda: seconds)
    assert budget.report() == {"day": day, "requests": 2 * files, "tokens": 14 * files, "spent": 2 * files >= 5}
