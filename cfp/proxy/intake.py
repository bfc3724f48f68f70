"""What is looked into, a body or a WebSocket message: what goes out for it, and what its log line says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from cfp.core.policy import EffectivePolicy
from cfp.proxy.codings import TooLarge
from cfp.proxy.headers import with_tier
from cfp.proxy.observe import RequestRecord
from cfp.proxy.ports import Office
from cfp.proxy.rewrite import MESSAGE, Body, Members, Rewritten, rewrite
from cfp.proxy.websocket import Frame, with_member
from cfp.proxy.wire import Piece, RequestHead

# Coding and decoding let go of the interpreter: from this size on a thread does it, and the loop goes on.
ASIDE: Final = 1 << 20
_CREATE: Final = "response.create"


class Prepared(NamedTuple):
    """`hint` is x-codex-routing-hint, where it must change."""

    parts: list[Piece]
    hint: bytes | None
    model: str | None


class Intake:
    """One body that is looked into. Policy and login are those of the moment when it is all there."""

    def __init__(self, office: Office, head: RequestHead, body: Body, record: RequestRecord) -> None:
        self._refusals = office.refusals
        self._cap = office.config.limits.body
        self._hint = head.fields.get(b"x-codex-routing-hint")
        self._coding = head.fields.get(b"content-encoding", b"identity").lower()
        self._body = body
        self._record = record
        self._effective, self._tier = tier_now(office)

    @property
    def takes_long(self) -> bool:
        """Whether it should not be done on the event loop."""
        return len(self._body) > ASIDE and self._coding != b"identity"

    def look(self) -> Prepared | None:
        """Add the tier where policy and login say so; None: the body is larger than the cap."""
        return self._noted(self._rewrite())

    async def look_aside(self, tell: Callable[[Prepared | None], None]) -> None:
        """The same in a thread; `tell` hears of it on the loop."""
        tell(self._noted(await asyncio.get_running_loop().run_in_executor(None, self._rewrite)))

    def _rewrite(self) -> Rewritten | None:
        try:
            return rewrite(self._body, self._tier_for, coding=self._coding, cap=self._cap)
        except TooLarge:
            return None

    def _tier_for(self, members: Members) -> str | None:
        return None if members.model in self._refusals else self._tier

    def _noted(self, found: Rewritten | None) -> Prepared | None:
        tier, hint = self._tier, self._hint
        self._record.effective_policy = self._effective
        if found is None:
            return None
        _note(found, tier, self._record)
        changed = None if hint is None or tier is None or not found.injected else with_tier(hint, tier.encode())
        return Prepared(found.parts, changed, None if found.members is None else found.members.model)


def tier_now(office: Office) -> tuple[EffectivePolicy, str | None]:
    """What policy and login say at this moment, and the tier that a request without one gets."""
    effective = office.credentials.effective_policy()
    return effective, office.config.settings.service_tier if effective is EffectivePolicy.INJECT_MISSING else None


class Message(NamedTuple):
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
