"""Rules about tiers through a worker: one member of the request changes, and the log names the rule."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from cfp.core.settings import Policy
from cfp.core.tiers.names import is_fast
from cfp.core.tiers.rules import POLICY, Action, TierRule
from cfp.core.traffic.kinds import Kind
from tests.kinds import MARKERS
from tests.proxy.exchange.test_websocket_tunnel import CREATE, connected, say_completed, serving
from tests.proxy.support import Call, answer, asynchronous, upstream, worker

TIERS = ("", '"priority"', '"fast"', '"ultrafast"', '"flex"', '"default"', "null", "7", '{"a":["service_tier"]}')
CASES = list(itertools.product(Kind, TIERS))
LARGE = " " * (1 << 20) + "x"  # as a string, which makes the body one for a thread


def expected(action: Action | None, tier: str) -> str:
    """Return the JSON of the tier that the upstream must get; "" for none."""
    fast = bool(tier) and is_fast(str(json.loads(tier)))
    if action is Action.DEFAULT:
        return '"default"'
    if action is Action.ADD or action is None:
        return tier or '"priority"'
    return "" if action is Action.REMOVE and fast else tier


def body_of(tier: str, text: str = "x") -> str:
    """Return a request's body with odd spacing, whose member stands in its middle."""
    member = f' "service_tier" :\t{tier} ,' if tier else ""
    return f'{{ "model": "m" ,{member}\n"input":[{{"service_tier":"priority"}},"{text}", 1e400], "n":0.10}}'


def members(text: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list, parse_float=str)
    return [tuple(pair) for pair in pairs]


def rules_of(action: Action | None) -> tuple[str, ...]:
    """A rule for each kind; `None` is a rule that matches nothing, so that the policy decides."""
    if action is None:
        return ("remove model=another",)
    return tuple(TierRule(action=action, kind=kind).text for kind in Kind)


def check(before: str, after: str, action: Action | None, tier: str) -> None:
    """Check that the two texts have the same members in the same order and spelling, but for the tier's."""
    name = "service_tier"
    value = expected(action, tier)
    assert [one for one in members(before) if one[0] != name] == [one for one in members(after) if one[0] != name]
    sent = [item for key, item in json.loads(after).items() if key == name]
    assert sent == ([json.loads(value)] if value else [])
    if value == tier:
        assert after == before


@pytest.mark.parametrize("action", [None, *Action])
@pytest.mark.parametrize("form", ["plain", "zstd", "large"])
def test_a_rule_changes_one_member_of_a_body(tmp_path: Path, action: Action | None, form: str) -> None:
    """For each kind and tier, plain, compressed, and inspected in a thread."""

    @asynchronous
    async def ask() -> None:
        async def relay(call: Call) -> None:
            await call.send(answer(b"{}"))

        cases = CASES if form != "large" else CASES[: len(TIERS)]
        fields = [b"Content-Encoding: zstd"] if form == "zstd" else []
        async with upstream(relay) as up, worker(tmp_path, up.base, service_tier_rules=rules_of(action)) as running:
            client = await running.client()
            for kind, tier in cases:
                markers = [b"%b: %b" % pair for pair in MARKERS[kind][0].items()]
                body = body_of(tier, LARGE if form == "large" else "x").encode()
                client.post(zstd.compress(body) if form == "zstd" else body, *fields, *markers)
                await client.response()
                sent = up.requests[-1].body
                check(body.decode(), (zstd.decompress(sent) if form == "zstd" else sent).decode(), action, tier)
            await client.close()
        for (kind, tier), line in zip(cases, running.log(), strict=True):
            rule = POLICY if action is None else TierRule(action=action, kind=kind).text
            assert (line["kind"], line["service_tier_rule"]) == (kind, rule)
            value = expected(action, tier)
            after = line["service_tier_after"]
            assert after == (None if not value else json.loads(value) if value[0] == '"' else value)
            assert line["service_tier_injected"] is (not tier and after == "priority")

    ask()


@pytest.mark.parametrize("action", [None, *Action])
def test_a_rule_changes_one_member_of_a_message(tmp_path: Path, action: Action | None) -> None:
    """The messages of one WebSocket, each with markers of its own."""

    @asynchronous
    async def ask() -> None:
        async with (
            upstream(serving(say_completed)) as up,
            worker(tmp_path, up.base, service_tier_rules=rules_of(action)) as running,
        ):
            client, socket = await connected(running, b"X-Codex-Routing-Hint: model=m")
            for kind, tier in CASES:
                metadata = {name.decode(): value.decode() for name, value in MARKERS[kind][0].items()}
                create = {
                    **CREATE,
                    "client_metadata": metadata,
                    **({"service_tier": json.loads(tier)} if tier else {}),
                }
                await socket.send(create)
                await socket.receive()
                sent = (await socket.receive())["asked"]
                check(json.dumps(create), json.dumps(sent), action, tier)
            await client.close()
            await up.gone.get()
            assert up.requests[0].get(b"x-codex-routing-hint") == b"model=m"
        for (kind, _), line in zip(CASES, running.log()[1:], strict=True):
            rule = POLICY if action is None else TierRule(action=action, kind=kind).text
            assert (line["kind"], line["service_tier_rule"]) == (kind, rule)

    ask()


@asynchronous
async def test_a_rule_comes_before_policy_and_opt_out(tmp_path: Path) -> None:
    """`add` is the user's word where the policy adds nothing; the routing hint goes with the tier."""

    async def relay(call: Call) -> None:
        await call.send(answer(b"{}"))

    rules = ("add model=m*", "remove", "add")
    async with (
        upstream(relay) as up,
        worker(tmp_path, up.base, policy=Policy.PRESERVE, service_tier_rules=rules) as running,
    ):
        client = await running.client()
        for body in (b'{"model":"m1"}', b'{"model":"n","service_tier":"priority"}', b"{}"):
            client.post(body, b"X-Codex-Routing-Hint: model=x;tier=flex")
            await client.response()
        await client.close()
    assert [json.loads(request.body).get("service_tier") for request in up.requests] == ["priority", None, None]
    hints = [request.get(b"x-codex-routing-hint") for request in up.requests]
    assert hints == [b"model=x;tier=priority", b"model=x", b"model=x;tier=flex"]
    assert [line["service_tier_rule"] for line in running.log()] == ["add model=m*", "remove", "remove"]
    assert {line["service_tier_effective_policy"] for line in running.log()} == {"preserve"}


@asynchronous
async def test_a_refused_tier_is_not_added_by_a_rule(tmp_path: Path) -> None:
    """The provider's refusal is learned as without rules; a refusal of `default` says nothing about Fast."""

    async def relay(call: Call) -> None:
        refuses = "service_tier" in json.loads(call.request.body)
        await call.send(answer(b"no", b"400 Bad Request") if refuses else answer(b"{}"))

    rules = ("default kind=review", "add")
    async with upstream(relay) as up, worker(tmp_path, up.base, service_tier_rules=rules) as running:
        client = await running.client()
        statuses = []
        for fields in ([b"x-openai-subagent: review"], [], []):
            client.post(b'{"model":"m"}', *fields)
            statuses.append((await client.response()).start.split()[1])
        await client.close()
        assert running.worker.tier_refusals.model_names() == ["m"]
    assert statuses == [b"400", b"200", b"200"]
    sent = [json.loads(request.body).get("service_tier") for request in up.requests]
    assert sent == ["default", "priority", None, None]
