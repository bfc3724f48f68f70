"""Adds the service tier to request bodies and WebSocket messages that have none, and notes it in their records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

import msgspec
from msgspec import UNSET

from cfp.core.policy import EffectivePolicy
from cfp.proxy.credentials import Credentials
from cfp.proxy.http.content_coding import TooLarge
from cfp.proxy.http.json_splice import SplicedBody, inject_tier
from cfp.proxy.http.messages import Body, Piece
from cfp.proxy.http.websocket_frames import Frame, splice_member
from cfp.proxy.telemetry.request_record import RequestRecord

# Coding and decoding let go of the interpreter: from this size on a thread does it, and the loop goes on.
ASIDE: Final = 1 << 20
_PLAIN: Final = 4 * ASIDE  # of the same, decoded
_CREATE: Final = "response.create"


class ResponseCreate(msgspec.Struct):
    """A WebSocket message `response.create`; `parts` are its frame as it goes out."""

    parts: list[Piece]
    model: str | None
    generate: bool
    record: RequestRecord


class TierInjection:
    """Serves all bodies of one worker. Policy and login are those of the moment when a body is complete.

    tier     the service tier of the settings
    refused  models whose requests go out without a tier, since the upstream refused it for them; may grow
    cap      bytes of the largest body, decoded
    """

    def __init__(self, credentials: Credentials, *, tier: str, refused: Collection[str | None], cap: int) -> None:
        self._credentials = credentials
        self._tier = tier
        self._refused = refused
        self._cap = cap

    def tier_now(self) -> tuple[EffectivePolicy, str | None]:
        """Return the effective policy of this moment, and the tier that a request without one gets."""
        effective = self._credentials.effective_policy()
        return effective, self._tier if effective is EffectivePolicy.INJECT_MISSING else None

    def inject(self, body: Body, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        """Add the tier where the policy says so; None where that takes too long for the event loop."""
        cap = self._cap
        if coding != b"identity":
            if len(body) > ASIDE:
                return None
            cap = min(cap, _PLAIN)
        record.effective_policy, tier = self.tier_now()
        try:
            spliced = inject_tier(body, tier, coding=coding, cap=cap, refused=self._refused)
        except TooLarge:
            return None
        _note(spliced, tier, record)
        return spliced

    async def inject_aside(self, body: Body, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        """Do the same in a thread; None where the body is larger than the cap."""
        record.effective_policy, tier = self.tier_now()
        work = partial(inject_tier, body, tier, coding=coding, cap=self._cap, refused=self._refused)
        try:
            spliced = await asyncio.get_running_loop().run_in_executor(None, work)
        except TooLarge:
            return None
        _note(spliced, tier, record)
        return spliced

    def inject_into_message(self, frame: Frame, new_record: Callable[[], RequestRecord]) -> ResponseCreate | None:
        """Add the tier to a client's text frame where the policy says so; None for any other message.

        new_record  begins the log line of the request that the message makes
        """
        effective, tier = self.tier_now()
        spliced = inject_tier(frame.payload(), tier, refused=self._refused)
        members = spliced.members
        if members is None or members.type != _CREATE:
            return None
        record = new_record()
        record.transport = "websocket"
        record.eligible = members.generate
        record.effective_policy = effective
        _note(spliced, tier, record)
        parts: list[Piece] = (
            splice_member(frame, len(spliced.parts[0]), bytes(spliced.parts[1])) if spliced.injected else [frame.raw]
        )
        return ResponseCreate(parts, members.model, members.generate, record)


def _note(spliced: SplicedBody, tier: str | None, record: RequestRecord) -> None:
    record.json_error = spliced.error
    members = spliced.members
    if members is None:
        return
    record.model = members.model
    record.stream = members.stream
    if spliced.injected:
        record.injected, record.tier_after = True, tier
    elif members.service_tier is not UNSET:
        record.tier_before = record.tier_after = members.service_tier
