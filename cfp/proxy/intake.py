"""What is looked into, a body or a WebSocket message: what goes out for it, and what its log line says of it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import msgspec
from msgspec import UNSET

from cfp.core.policy import EffectivePolicy
from cfp.proxy.codings import TooLarge
from cfp.proxy.observe import RequestRecord
from cfp.proxy.ports import Office
from cfp.proxy.rewrite import Rewritten, rewrite
from cfp.proxy.websocket import Frame, with_member
from cfp.proxy.wire import Body, Piece

# Coding and decoding let go of the interpreter: from this size on a thread does it, and the loop goes on.
ASIDE: Final = 1 << 20
_PLAIN: Final = 4 * ASIDE  # of the same, decoded
_CREATE: Final = "response.create"


class Intake:
    """Looks into one worker's bodies. Policy and login are those of the moment when a body is all there."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._refused = office.refusals.models
        self._cap = office.config.limits.body

    def look(self, body: Body, coding: bytes, record: RequestRecord) -> Rewritten | None:
        """Add the tier where policy and login say so; None: that takes too long for the event loop."""
        cap = self._cap
        if coding != b"identity":
            if len(body) > ASIDE:
                return None
            cap = min(cap, _PLAIN)
        record.effective_policy, tier = tier_now(self._office)
        try:
            found = rewrite(body, tier, coding=coding, cap=cap, refused=self._refused)
        except TooLarge:
            return None
        _note(found, tier, record)
        return found

    async def look_aside(self, body: Body, coding: bytes, record: RequestRecord) -> Rewritten | None:
        """The same in a thread; None: it is larger than the cap."""
        record.effective_policy, tier = tier_now(self._office)
        work = partial(rewrite, body, tier, coding=coding, cap=self._cap, refused=self._refused)
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, work)
        except TooLarge:
            return None
        _note(found, tier, record)
        return found


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
    found = rewrite(frame.payload(), tier, refused=office.refusals.models)
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
    members = found.members
    if members is None:
        return
    record.model = members.model
    record.stream = members.stream
    if found.injected:
        record.injected, record.tier_after = True, tier
    elif members.service_tier is not UNSET:
        record.tier_before = record.tier_after = members.service_tier
