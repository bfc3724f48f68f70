"""What is looked into, a body or a WebSocket message: what goes out for it, and what its log line says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

import msgspec

from cfp.core.policy import EffectivePolicy
from cfp.proxy.codings import TooLarge
from cfp.proxy.decision import Decision
from cfp.proxy.headers import with_tier
from cfp.proxy.observe import RequestRecord
from cfp.proxy.ports import Office
from cfp.proxy.rewrite import MESSAGE, Body, Members, Rewritten, rewrite
from cfp.proxy.websocket import Frame, with_member
from cfp.proxy.wire import Piece

# Coding and decoding let go of the interpreter: from this size on a thread does it, and the loop goes on.
ASIDE: Final = 1 << 20
_PLAIN: Final = 4 * ASIDE  # of the same, decoded
_CREATE: Final = "response.create"


class Prepared(msgspec.Struct):
    """`hint` is x-codex-routing-hint, where it must change."""

    parts: list[Piece]
    hint: bytes | None
    model: str | None


Tell: TypeAlias = Callable[[Prepared | None], None]


class Intake:
    """Looks into one worker's bodies. Policy and login are those of the moment when a body is all there."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._refusals = office.refusals
        self._cap = office.config.limits.body

    def look(
        self, body: Body, decision: Decision, record: RequestRecord, tell: Tell
    ) -> Coroutine[Any, Any, None] | None:
        """Add the tier where policy and login say so, and `tell` what goes out; None: it is larger than the cap.

        Returns what is to be run instead, where it takes too long for the event loop.
        """
        coding, cap = decision.coding, self._cap
        if coding != b"identity":
            if len(body) > ASIDE:
                return self._look_aside(body, decision, record, tell)
            cap = min(cap, _PLAIN)
        record.effective_policy, tier = tier_now(self._office)
        found = self._rewrite(body, coding, tier, cap)
        if found is None and cap < self._cap:
            return self._look_aside(body, decision, record, tell)
        tell(_prepared(found, decision.hint, tier, record))
        return None

    async def _look_aside(self, body: Body, decision: Decision, record: RequestRecord, tell: Tell) -> None:
        """The same in a thread; `tell` hears of it on the loop."""
        record.effective_policy, tier = tier_now(self._office)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, self._rewrite, body, decision.coding, tier, self._cap)
        tell(_prepared(found, decision.hint, tier, record))

    def _rewrite(self, body: Body, coding: bytes, tier: str | None, cap: int) -> Rewritten | None:
        def tier_for(members: Members) -> str | None:
            return None if members.model in self._refusals else tier

        try:
            return rewrite(body, tier_for, coding=coding, cap=cap)
        except TooLarge:
            return None


def _prepared(
    found: Rewritten | None, hint: bytes | None, tier: str | None, record: RequestRecord
) -> Prepared | None:
    if found is None:
        return None
    _note(found, tier, record)
    changed = None if hint is None or tier is None or not found.injected else with_tier(hint, tier.encode())
    return Prepared(found.parts, changed, None if found.members is None else found.members.model)


def tier_now(office: Office) -> tuple[EffectivePolicy, str | None]:
    """What policy and login say at this moment, and the tier that a request without one gets."""
    effective = office.credentials.effective_policy()
    return effective, office.config.settings.service_tier if effective is EffectivePolicy.INJECT_MISSING else None


class Message(msgspec.Struct):
    """One WebSocket message that asks the model for something; `parts` are its frame as it goes out."""

    parts: list[Piece]
    model: str | None
    generate: bool
    record: RequestRecord


def look_into_message(office: Office, frame: Frame, target: bytes) -> Message | None:
    """Read a client's text frame, and add the tier where policy and login say so; None: it asks for nothing."""
    effective, tier = tier_now(office)

    def tier_for(members: Members) -> str | None:
        return None if members.type != _CREATE or members.model in office.refusals else tier

    found = rewrite(frame.payload(), tier_for, decoder=MESSAGE)
    members = found.members
    if members is None or members.type != _CREATE:
        return None
    record = office.record(b"GET", target)
    record.transport = "websocket"
    record.eligible = members.generate
    record.effective_policy = effective
    _note(found, tier, record)
    parts: list[Piece] = (
        with_member(frame, len(found.parts[0]), bytes(found.parts[1])) if found.injected else [frame.raw]
    )
    return Message(parts, members.model, members.generate, record)


def _note(found: Rewritten, tier: str | None, record: RequestRecord) -> None:
    record.json_error = found.error
    record.injected = found.injected
    if found.members is not None:
        record.model = found.members.model
        record.tier_before = found.members.service_tier
        record.tier_after = tier if found.injected else found.members.service_tier
        record.stream = found.members.stream
