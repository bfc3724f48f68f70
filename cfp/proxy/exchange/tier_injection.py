"""Add the service tier to request bodies and WebSocket messages that have none, and record it."""

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

# Coding and decoding release the interpreter lock: larger bodies go to a thread, and the event loop goes on.
LARGEST_CODED_IN_LOOP: Final = 1 << 20
_LARGEST_DECODED_IN_LOOP: Final = 4 * LARGEST_CODED_IN_LOOP
_CREATE: Final = "response.create"


class ResponseCreate(msgspec.Struct):
    """A WebSocket message `response.create`; `parts` are its outbound frame."""

    parts: list[Piece]
    model: str | None
    generate: bool
    record: RequestRecord


class TierInjection:
    """Tier injection for all bodies of one worker. Policy and login are read when a body is complete.

    tier     the service tier of the settings
    refused  models for which the upstream refused the tier: their requests go out without it; may grow
    limit    the largest decoded body, in bytes
    """

    def __init__(self, credentials: Credentials, *, tier: str, refused: Collection[str | None], limit: int) -> None:
        self._credentials = credentials
        self._tier = tier
        self._refused = refused
        self._limit = limit

    def tier_now(self) -> tuple[EffectivePolicy, str | None]:
        """Return the effective policy of this moment, and the tier that is added to a request without one."""
        effective = self._credentials.effective_policy()
        return effective, self._tier if effective is EffectivePolicy.INJECT_MISSING else None

    def inject(self, body: Body, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        """Add the tier where the policy says so; None where the body is too large for the event loop."""
        limit = self._limit
        if coding != b"identity":
            if len(body) > LARGEST_CODED_IN_LOOP:
                return None
            limit = min(limit, _LARGEST_DECODED_IN_LOOP)
        record.effective_policy, tier = self.tier_now()
        try:
            spliced = inject_tier(body, tier, coding=coding, cap=limit, refused_models=self._refused)
        except TooLarge:
            return None
        _record(spliced, tier, record)
        return spliced

    async def inject_in_thread(self, body: Body, coding: bytes, record: RequestRecord) -> SplicedBody | None:
        """Add the tier in a thread; None where the body is larger than the limit."""
        record.effective_policy, tier = self.tier_now()
        work = partial(inject_tier, body, tier, coding=coding, cap=self._limit, refused_models=self._refused)
        try:
            spliced = await asyncio.get_running_loop().run_in_executor(None, work)
        except TooLarge:
            return None
        _record(spliced, tier, record)
        return spliced

    def inject_into_message(self, frame: Frame, new_record: Callable[[], RequestRecord]) -> ResponseCreate | None:
        """Add the tier to a client's text frame where the policy says so; None for any other message.

        new_record  returns the record of a request that arrives as a message
        """
        effective, tier = self.tier_now()
        spliced = inject_tier(frame.payload(), tier, refused_models=self._refused)
        members = spliced.members
        if members is None or members.type != _CREATE:
            return None
        record = new_record()
        record.transport = "websocket"
        record.eligible = members.generate
        record.effective_policy = effective
        _record(spliced, tier, record)
        parts: list[Piece] = (
            splice_member(frame, len(spliced.parts[0]), bytes(spliced.parts[1])) if spliced.injected else [frame.raw]
        )
        return ResponseCreate(parts, members.model, members.generate, record)


def _record(spliced: SplicedBody, tier: str | None, record: RequestRecord) -> None:
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
