"""The evidence about which model served, from log lines, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.models import is_same_model
from cfp.proxy.telemetry.log_lines import LogLine
from cfp.proxy.telemetry.model_evidence import ModelEvidence
from cfp.proxy.telemetry.response_facts import TokenCounts
from cfp.views.status import status
from tests.house.source import REPOSITORY
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

NAMES = st.sampled_from(["gpt-5", "gpt-5-2026-01-01", "gpt-5-mini", "openai/gpt-5"])


def line(named: str | None, reasoning: int | None = None, **fields: Any) -> LogLine:
    usage = None if reasoning is None else TokenCounts(reasoning_tokens=reasoning)
    usual = {
        "ts": "t",
        "eligible": True,
        "status": 200,
        "ending": "completed",
        "model": "gpt-5",
        "upstream_base": "u",
    }
    return LogLine(**{**usual, **fields}, response_model=named, usage=usage)


def evidence(*lines: LogLine) -> list[dict[str, Any]]:
    model_evidence = ModelEvidence()
    for one in lines:
        model_evidence.add(one)
    return model_evidence.report("u")


@given(st.lists(st.none() | NAMES))
def test_other_names_are_counted(names: list[str | None]) -> None:
    """Each answer with another model's name counts; a snapshot, a vendor or no name is no evidence."""
    others = [name for name in names if not is_same_model("gpt-5", name)]
    rows = evidence(*map(line, names))
    if not others:
        assert [] == rows
    else:
        (row,) = rows
        assert ({"gpt-5-mini": len(others)}, {}) == (row["other_models"], row["recurring_reasoning_tokens"])
        assert len([name for name in names if name]) == row["answers"]


def test_recurring_counts_are_named() -> None:
    """The counts and how often they occurred, among the newest answers that had any reasoning."""
    (row,) = evidence(*(line("gpt-5", count) for count in (0, 12, 700, *[516] * 9)))
    assert ({"516": 9}, 11, {}) == tuple(
        row[name] for name in ("recurring_reasoning_tokens", "reasoning_answers", "other_models")
    )


def test_only_answers_of_this_upstream_count() -> None:
    """A failed request is no answer, and another provider's answers say nothing about this one."""
    failed = line("gpt-6", status=500, ending="failed")
    elsewhere = line("gpt-6", upstream_base="v")
    metadata = line("gpt-6", eligible=False)
    assert [] == evidence(failed, elsewhere, metadata)


def test_memory_is_bounded() -> None:
    """Any number of models and names makes a bounded report."""
    lines = [line(f"n{number}", model=f"m{number // 100}") for number in range(4000)]
    rows = evidence(*lines)
    assert 16 == len(rows)
    assert all(len(row["other_models"]) <= 9 for row in rows)
    assert {100} == {sum(row["other_models"].values()) for row in rows}


@asynchronous
async def test_the_health_report_has_it(tmp_path: Path) -> None:
    """Answers of a real provider: what the worker saw stands in its health report and in its log."""

    async def script(call: Call) -> None:
        event = {"type": "response.completed", "response": {"model": "small", "usage": {"output_tokens": 1}}}
        body = b"data: " + json.dumps(event).encode() + b"\n\n"
        await call.send(answer(body, b"200 OK", b"Content-Type: text/event-stream"))

    async with upstream(script) as double:
        async with worker(tmp_path, double.base) as running:
            client = await running.client()
            for _ in range(3):
                client.post(b'{"model":"large","stream":true}')
                await client.response()
            await client.close()
        (row,) = json.loads(running.worker.health())["model_evidence"]
    assert ("large", 3, {"small": 3}) == tuple(row[name] for name in ("model", "answers", "other_models"))
    assert [("large", "small")] * 3 == [(one["model"], one["response_model"]) for one in running.log()]


def test_status_says_it_without_accusation() -> None:
    """The page for people has a sentence for each kind of evidence, and says what else it may be."""
    result = json.loads((REPOSITORY / "fixtures/results/status_ready.json").read_text("utf-8"))
    rows = evidence(line("gpt-5-mini"), *(line("gpt-5", 516) for _ in range(9)))
    page = " ".join(map(str, status({**result, "health": {**result["health"], "model_evidence": rows}})))
    assert "Of 10 answers to requests for gpt-5, 1 named gpt-5-mini." in page
    assert "9 used exactly 516 reasoning tokens" in page
    assert page.count(" may ") == 2
