"""Add the service tier to request bodies and WebSocket messages that have none, and record it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Final, Protocol

import msgspec
from msgspec import UNSET

from cfp.core.policy import EffectivePolicy
from cfp.core.traffic.kinds import Kind, kind_of
from cfp.proxy.credentials import Credentials
from cfp.proxy.exchange.routing import Destination, Route
from cfp.proxy.http.content_coding import TooLarge
from cfp.proxy.http.json_splice import SplicedBody, inject_tier, markers_of, message_decoder
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
    generate: bool
    record: RequestRecord


class InspectedRequest(Protocol):
    """The part of a request's plan that decides about its body."""

    @property
    def route(self) -> Route: ...

    @property
    def coding(self) -> bytes: ...

    @property
    def kind(self) -> Kind | None: ...


class TierInjection:
    """Tier injection for all bodies of one worker. Policy and login are read when a body is complete.

    tier     the service tier of the settings
    refused  models for which the upstream refused the tier: their requests go out without it; may grow
    limit    the largest decoded body, in bytes
    """

    def __init__(self, credentials: Credentials, *, tier: str, refused: Container[str | None], limit: int) -> None:
        self._credentials = credentials
        self._tier = tier
        self._refused = refused
        self._refused_compactions = _CompactionModels(refused)
        self._limit = limit

    def _refused_by(self, plan: InspectedRequest) -> Container[str | None]:
        return self._refused_compactions if plan.route.destination is Destination.COMPACTION else self._refused

    def tier_now(self) -> tuple[EffectivePolicy, str | None]:
        """Return the effective policy of this moment, and the tier that is added to a request without one."""
        effective = self._credentials.effective_policy()
        return effective, self._tier if effective is EffectivePolicy.INJECT_MISSING else None

    def inject(self, body: Body, plan: InspectedRequest, record: RequestRecord) -> SplicedBody | None:
        """Add the tier where the policy says so; None where the body is too large for the event loop."""
        limit, coding = self._limit, plan.coding
        if coding != b"identity":
            if len(body) > LARGEST_CODED_IN_LOOP:
                return None
            limit = min(limit, _LARGEST_DECODED_IN_LOOP)
        record.effective_policy, tier = self.tier_now()
        try:
            spliced = inject_tier(body, tier, coding=coding, cap=limit, refused_models=self._refused_by(plan))
        except TooLarge:
            return None
        _record(spliced, tier, record)
        _record_plan(plan, record)
        return spliced

    async def inject_in_thread(self, body: Body, plan: InspectedRequest, record: RequestRecord) -> SplicedBody | None:
        """Add the tier in a thread; None where the body is larger than the limit."""
        record.effective_policy, tier = self.tier_now()
        refused = self._refused_by(plan)
        work = partial(inject_tier, body, tier, coding=plan.coding, cap=self._limit, refused_models=refused)
        try:
            spliced = await asyncio.get_running_loop().run_in_executor(None, work)
        except TooLarge:
            return None
        _record(spliced, tier, record)
        _record_plan(plan, record)
        return spliced

    def inject_into_message(
        self, frame: Frame, handshake: Mapping[bytes, bytes], new_record: Callable[[], RequestRecord]
    ) -> ResponseCreate | None:
        """Add the tier to a client's text frame where the policy says so; None for any other message.

        handshake   header fields by which the kind is known where the message has no markers of its own
        new_record  returns the record of a request that arrives as a message
        """
        effective, tier = self.tier_now()
        spliced = inject_tier(frame.payload(), tier, refused_models=self._refused, decoder=message_decoder)
        members = spliced.members
        if members is None or members.type != _CREATE:
            return None
        record = new_record()
        record.transport = "websocket"
        record.eligible = members.generate
        record.effective_policy = effective
        record.kind = kind_of(markers_of(members) or handshake)
        _record(spliced, tier, record)
        parts: list[Piece] = (
            splice_member(frame, len(spliced.parts[0]), bytes(spliced.parts[1])) if spliced.injected else [frame.raw]
        )
        return ResponseCreate(parts, members.generate, record)


class _CompactionModels:
    """The models of which the upstream refuses the tier at the path that only compacts."""

    def __init__(self, refused: Container[str | None]) -> None:
        self._refused = refused

    def __contains__(self, model: object) -> bool:
        return _compaction_key(model) in self._refused


def _compaction_key(model: object) -> str:
    """Return the name of a model's compactions: a refusal there says nothing about the model's turns."""
    return f"{model or ''} (/responses/compact)"


def _record_plan(plan: InspectedRequest, record: RequestRecord) -> None:
    record.kind = plan.kind
    if plan.route.destination is Destination.COMPACTION:
        record.refusal_key = _compaction_key(record.model)


def _record(spliced: SplicedBody, tier: str | None, record: RequestRecord) -> None:
    record.json_error = spliced.error
    members = spliced.members
    if members is None:
        return
    record.model = record.refusal_key = members.model
    record.stream = members.stream
    if spliced.injected:
        record.injected, record.tier_after = True, tier
    elif members.service_tier is not UNSET:
        record.tier_before = record.tier_after = members.service_tier
