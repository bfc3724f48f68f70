"""Give request bodies and WebSocket messages the tier that policy and rules want, and record it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from cfp.core.policy import EffectivePolicy
from cfp.core.tiers.names import DEFAULT, is_fast
from cfp.core.tiers.rules import POLICY, TierRule, decide
from cfp.core.traffic.kinds import Kind, kind_of
from cfp.proxy.credentials import Credentials
from cfp.proxy.exchange.routing import Destination, Route
from cfp.proxy.http.content_coding import TooLarge
from cfp.proxy.http.json_splice import Members, SplicedBody, inject_tier, markers_of, message_decoder
from cfp.proxy.http.messages import Body, Piece
from cfp.proxy.http.websocket_frames import Frame, splice_member, with_payload
from cfp.proxy.telemetry.fast_budget import FastBudget
from cfp.proxy.telemetry.request_record import RequestRecord

# Coding and decoding release the interpreter lock: larger bodies go to a thread, and the event loop goes on.
LARGEST_CODED_IN_LOOP: Final = 1 << 20
_LARGEST_DECODED_IN_LOOP: Final = 4 * LARGEST_CODED_IN_LOOP
_CREATE: Final = "response.create"
_COMPACTION: Final = Destination.COMPACTION  # a plain global for the data path, as in `phases`


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
    rules    the user's rules; without any, the policy alone decides
    budget   of Fast a day; None: without a limit
    refused  models for which the upstream refused the tier: their requests go out without it; may grow
    limit    the largest decoded body, in bytes
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        tier: str,
        rules: Sequence[TierRule] = (),
        budget: FastBudget | None = None,
        refused: Container[str | None],
        limit: int,
    ) -> None:
        self._credentials = credentials
        self._tier = tier
        self._rules = rules
        self._budget = budget
        self._has_choice = bool(rules) or budget is not None
        self._refused = refused
        self._refused_compactions = _CompactionModels(refused)
        self._limit = limit

    def tier_now(self) -> tuple[EffectivePolicy, str | None]:
        """Return the effective policy of this moment, and the tier that it adds to a request without one."""
        effective = self._credentials.effective_policy()
        return effective, self._tier if effective is EffectivePolicy.INJECT_MISSING else None

    def tier_of_handshake(self) -> str | None:
        """Return the tier that the messages of a new WebSocket get where they have none; None where rules decide."""
        return None if self._has_choice else self.tier_now()[1]

    def inject(self, body: Body, plan: InspectedRequest, record: RequestRecord) -> SplicedBody | None:
        """Give the body its tier; None where it is too large for the event loop."""
        limit, coding = self._limit, plan.coding
        if coding != b"identity" or self._has_choice:
            if len(body) > LARGEST_CODED_IN_LOOP:
                return None
            limit = min(limit, _LARGEST_DECODED_IN_LOOP)
        tier, refused, choice = self._prepare(plan, record)
        try:
            spliced = inject_tier(body, tier, coding=coding, cap=limit, refused_models=refused, choose=choice)
        except TooLarge:
            return None
        _record(spliced, tier, choice, record)
        _record_plan(plan, record)
        if self._budget is not None:
            self._count(self._budget, record)
        return spliced

    async def inject_in_thread(self, body: Body, plan: InspectedRequest, record: RequestRecord) -> SplicedBody | None:
        """Give the body its tier in a thread; None where it is larger than the limit."""
        tier, refused, choice = self._prepare(plan, record)
        work = partial(
            inject_tier, body, tier, coding=plan.coding, cap=self._limit, refused_models=refused, choose=choice
        )
        try:
            spliced = await asyncio.get_running_loop().run_in_executor(None, work)
        except TooLarge:
            return None
        _record(spliced, tier, choice, record)
        _record_plan(plan, record)
        if self._budget is not None:
            self._count(self._budget, record)
        return spliced

    def inject_into_message(
        self, frame: Frame, handshake: Mapping[bytes, bytes], new_record: Callable[[], RequestRecord]
    ) -> ResponseCreate | None:
        """Give a client's text frame its tier; None for any message but `response.create`.

        handshake   header fields by which the kind is known where the message has no markers of its own
        new_record  returns the record of a request that arrives as a message
        """
        effective, tier = self.tier_now()
        choice = self._choice(tier, self._refused, None, handshake) if self._has_choice else None
        spliced = inject_tier(
            frame.payload(), tier, refused_models=self._refused, decoder=message_decoder, choose=choice
        )
        members = spliced.members
        if members is None or members.type != _CREATE:
            return None
        record = new_record()
        record.transport = "websocket"
        record.eligible = members.generate
        record.effective_policy = effective
        record.kind = kind_of(markers_of(members) or handshake)
        _record(spliced, tier, choice, record)
        if self._budget is not None:
            self._count(self._budget, record)
        parts: list[Piece] = [frame.raw]
        if spliced.injected:
            parts = splice_member(frame, len(spliced.parts[0]), bytes(spliced.parts[1]))
        elif spliced.changed:
            parts = with_payload(frame, bytes(spliced.parts[0]))
        return ResponseCreate(parts, members.generate, record)

    @staticmethod
    def _count(budget: FastBudget, record: RequestRecord) -> None:
        if record.eligible and is_fast(record.tier_after):
            budget.begin(record)

    def _prepare(
        self, plan: InspectedRequest, record: RequestRecord
    ) -> tuple[str | None, Container[str | None], _Choice | None]:
        """Return the tier that the policy adds, the models that refuse it, and the choice where there are rules."""
        compacts = plan.route.destination is _COMPACTION
        refused = self._refused_compactions if compacts else self._refused
        record.effective_policy, tier = self.tier_now()
        choice = self._choice(tier, refused, plan.kind, {}) if self._has_choice else None
        return tier, refused, choice

    def _choice(
        self,
        tier: str | None,
        refused: Container[str | None],
        kind: Kind | None,
        handshake: Mapping[bytes, bytes],
    ) -> _Choice:
        return _Choice(
            self._rules,
            fast=self._tier,
            adds=tier is not None,
            spent=self._budget is not None and self._budget.is_spent(),
            refused=refused,
            kind=kind,
            handshake=handshake,
        )


class _Choice:
    """The choice of one request's tier by the rules.

    kind       of the request; None where its own members tell
    rule       the name of the rule that decided, once the members are read
    tier       the tier that the request gets, None for none
    """

    rule: str | None = None
    tier: str | None = None

    def __init__(
        self,
        rules: Sequence[TierRule],
        *,
        fast: str,
        adds: bool,
        spent: bool,
        refused: Container[str | None],
        kind: Kind | None,
        handshake: Mapping[bytes, bytes],
    ) -> None:
        self._rules = rules
        self._fast = fast
        self._adds = adds
        self._spent = spent
        self._refused = refused
        self._kind = kind
        self._handshake = handshake

    def __call__(self, members: Members) -> str | UnsetType:
        """Decide by the members, and return the value that the tier's member gets, UNSET for no member."""
        kind = self._kind or kind_of(markers_of(members) or self._handshake)
        before = None if members.service_tier is UNSET else members.service_tier
        self.rule, tier = decide(
            self._rules, kind, members.model, before, fast=self._fast, adds=self._adds, spent=self._spent
        )
        if before is None and tier == self._fast and members.model in self._refused:
            tier = None
        self.tier = tier
        return UNSET if tier is None else tier


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
    if plan.route.destination is _COMPACTION:
        record.refusal_key = _compaction_key(record.model)


def _record(spliced: SplicedBody, tier: str | None, choice: _Choice | None, record: RequestRecord) -> None:
    record.json_error = spliced.error
    members = spliced.members
    if members is None:
        return
    record.model = record.refusal_key = members.model
    record.stream = members.stream
    if members.service_tier is not UNSET:
        record.tier_before = record.tier_after = members.service_tier
    if choice is None:
        record.rule = POLICY
        if spliced.injected:
            record.injected, record.tier_after = True, tier
        return
    record.rule, record.tier_after = choice.rule, choice.tier
    record.injected = spliced.injected and choice.tier != DEFAULT  # a refusal of `default` is no refusal of Fast
