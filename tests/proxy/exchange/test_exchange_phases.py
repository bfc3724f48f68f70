"""An exchange under every sequence of events: its phases follow the table, and its end frees everything once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from cfp.proxy.config import Limits
from cfp.proxy.exchange.exchange import Exchange
from cfp.proxy.exchange.phases import DONE, ExchangePhase
from cfp.proxy.exchange.request_plan import RequestPlan
from cfp.proxy.exchange.routing import Destination, Route
from cfp.proxy.http.json_splice import SplicedBody
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.http.messages import END, Fault, Malformed, Piece, RequestHead, ResponseHead
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.upstream.dial import DialFailed
from cfp.proxy.upstream_capabilities import TierRefusals
from cfp.proxy.worker.event_loop import run as run_in_loop
from tests.proxy.checked import Transition, checked, transitions

LONGEST = 6
CUT = Malformed(Fault.CLOSED, "closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A kind of request, the idle upstream connections, and the place of the inspection."""

    inspected: bool
    whole: bool
    in_thread: bool = False
    idle: int = 0

    def __str__(self) -> str:
        words = ["inspected" if self.inspected else "streamed", "whole" if self.whole else "chunked"]
        return "-".join([*words, *(["thread"] if self.in_thread else []), f"{self.idle} idle"])


SETUPS = [
    Setup(inspected=inspected, whole=whole, in_thread=in_thread, idle=idle)
    for inspected in (False, True)
    for whole in (False, True)
    for in_thread in ((False, True) if inspected else (False,))
    for idle in (0, 1, 2)
]


@dataclass(slots=True)
class Connection:
    """A connection to the upstream."""

    freed: int = 0
    responded: bool = False
    reused: bool = True

    def call(self, caller: Any, *, bodiless: bool) -> None: ...

    def send(self, parts: Sequence[Piece]) -> None:
        assert not self.freed

    def release(self) -> None:
        self.freed += 1

    abort = release


class World:
    """One exchange with fakes of its client, its upstream and its worker."""

    def __init__(self, setup: Setup) -> None:
        self.violations: list[str] = []
        self.performed: list[Transition] = []
        self.ends = self.logged = self.counted = 0
        self.lost = False
        self.complete = setup.whole
        self.connections: list[Connection] = []
        self.waiting: asyncio.Future[Any] | None = None  # for a dial, or for the thread
        self._setup = setup
        self._idle = setup.idle
        head = RequestHead(
            b"POST" if setup.inspected or not setup.whole else b"GET",
            *(b"/v1/x", [], {}, 1, True, None, not setup.whole, False),
        )
        route = Route(Destination.FORWARD, b"/v1/x", b"/x")
        plan = RequestPlan(
            True, None, route, b"/v1/x", False, setup.inspected, False, b"identity", None, None, None, False
        )
        self.exchange = checked(Exchange, self.violations, self.performed)(
            self._services(), self._client(), head, plan, b"{}" if setup.inspected else b"", complete=setup.whole
        )
        self.exchange.begin()

    def _services(self) -> Any:
        return SimpleNamespace(
            config=SimpleNamespace(limits=Limits(), settings=SimpleNamespace(pass_rate_limits=False)),
            credentials=SimpleNamespace(auth_override=lambda: None),
            pool=SimpleNamespace(take=self._take, dial=self._dial, forward_proxy=None),
            tier_injection=SimpleNamespace(inject=self._inject, inject_in_thread=self._inject_in_thread),
            tier_refusals=TierRefusals(),
            origin=SimpleNamespace(host_field=b"provider.example"),
            loop_id=b"loop",
            draining=False,
            new_record=lambda method, target, session: RequestRecord(1, method, target, session),
            log=lambda _: self._note("logged"),
            request_started=lambda: None,
            request_ended=lambda: self._note("counted"),
        )

    def _client(self) -> Any:
        return SimpleNamespace(
            write_paused=False,
            write=lambda parts: None,
            end_conversation=lambda *, close: self._note("ends"),
            break_off=lambda *, reset: self._note("ends"),
            pause_input=lambda: None,
            resume_input=lambda: None,
            silent_for=lambda now: now,
        )

    def _note(self, name: str) -> None:
        setattr(self, name, getattr(self, name) + 1)

    def _take(self) -> Connection | None:
        if not self._idle:
            return None
        self._idle -= 1
        self.connections.append(Connection())
        return self.connections[-1]

    async def _dial(self, *, patience: float) -> Connection:
        await self._wait()
        self.connections.append(Connection(reused=False))
        return self.connections[-1]

    def _inject(self, body: Piece, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        if self._setup.in_thread:
            return None
        record.injected, record.tier_after = True, "priority"
        return SplicedBody([b"{", b'"service_tier":"priority"', b"}"], None, injected=True)

    async def _inject_in_thread(self, body: Piece, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        spliced: SplicedBody | None = await self._wait()
        return spliced

    async def _wait(self) -> Any:
        self.waiting = asyncio.get_running_loop().create_future()
        try:
            return await self.waiting
        finally:
            self.waiting = None

    # -- events

    def possible(self) -> dict[str, Callable[[], object]]:
        exchange = self.exchange
        if self.lost or self.ends:
            return {}
        acts: dict[str, Callable[[], object]] = {"lost": self._lose, "time": self._pass_time}
        if not self.complete:
            acts |= {"data": lambda: exchange.on_data(b"{}"), "end": self._end}
            acts["malformed"] = lambda: exchange.on_malformed(Malformed(Fault.FRAMING, ""))
        waiting = self.waiting
        if waiting is not None and exchange.phase is ExchangePhase.INSPECTING:
            acts["inspected"] = lambda: waiting.set_result(SplicedBody([b"{}"], None))
            acts["too large"] = lambda: waiting.set_result(None)
        elif waiting is not None:
            acts["dialled"] = lambda: waiting.set_result(None)
            acts["not dialled"] = lambda: waiting.set_exception(
                DialFailed(LocalResponse.UNREACHABLE, host="", reason="")
            )
        connection = exchange._connection
        if connection is not None:
            acts["cut"] = lambda: exchange.on_response([CUT])
            if connection.responded:
                acts["response ends"] = lambda: exchange.on_response([b"ok", END])
            else:
                acts["head"] = self._respond
                acts["refusal"] = lambda: exchange.on_response([response(400), b'{"error": "service_tier"}', END])
                acts["rate limit"] = lambda: exchange.on_response([response(429), b'{"error": "rate limit"}', END])
                acts["refusal that is cut"] = lambda: exchange.on_response([response(422), b"{", CUT])
                acts["refusal without an end"] = self._refuse_without_end
            if exchange._hold_timer is not None:
                acts["hold no longer"] = exchange._hold_no_longer
        return acts

    def _lose(self) -> None:
        self.lost = True
        self.exchange.on_lost()

    def _refuse_without_end(self) -> None:
        self.exchange._connection.responded = True
        self.exchange.on_response([response(400), b"{"])

    def _pass_time(self) -> None:
        self.exchange.check_time_limits(math.inf)

    def _end(self) -> None:
        self.complete = True
        self.exchange.on_end()

    def _respond(self) -> None:
        self.exchange._connection.responded = True
        self.exchange.on_response([response(200)])

    async def rest(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    def check(self) -> None:
        """Assert what holds after every event."""
        assert [] == self.violations
        done = self.exchange.phase is DONE
        assert (done, done) == (bool(self.logged), bool(self.counted))
        assert done == (self.lost or bool(self.ends))
        assert {self.logged, self.counted, self.ends + self.lost} <= {0, 1}
        unfreed = [one for one in self.connections if not one.freed]
        assert unfreed == ([] if self.exchange._connection is None else [self.exchange._connection])
        assert all(one.freed <= 1 for one in self.connections)
        assert not (done and (unfreed or self.waiting or self.exchange._task))


def response(status: int) -> ResponseHead:
    return ResponseHead(status, b"", [], {}, 1, keep_alive=True, length=25, chunked=False, until_close=False)


async def explore(setup: Setup, path: tuple[str, ...] = ()) -> set[Transition]:
    """Play every sequence of possible events that begins with `path`; return all transitions."""
    world = World(setup)
    await world.rest()
    world.check()
    for name in path:
        world.possible()[name]()
        await world.rest()
        world.check()
    performed = set(world.performed)
    if len(path) < LONGEST:
        for name in world.possible():
            performed |= await explore(setup, (*path, name))
    world.exchange.on_lost()  # ends its tasks
    await world.rest()
    return performed


@cache
def performed(setup: Setup) -> set[Transition]:
    """The transitions of every sequence in a setup."""
    return run_in_loop(explore(setup))


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_every_sequence_of_events_ends_well(setup: Setup) -> None:
    """Only allowed phases, one log line, one end for the client, and nothing left open."""
    assert performed(setup) <= transitions(ExchangePhase)


def test_the_table_allows_no_more_than_happens() -> None:
    """Each transition of the table happens, except JUDGING to DONE: refused requests are not among the setups."""
    missing = transitions(ExchangePhase) - set().union(*map(performed, SETUPS))
    assert {(ExchangePhase.JUDGING, DONE)} == missing
