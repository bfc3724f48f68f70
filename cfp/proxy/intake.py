"""A request that is looked into: what goes out for its body, and what its log line says of it."""

from __future__ import annotations

from typing import NamedTuple

from cfp.core.policy import EffectivePolicy
from cfp.proxy.headers import with_tier
from cfp.proxy.observe import RequestRecord
from cfp.proxy.ports import Office
from cfp.proxy.rewrite import Body, rewrite
from cfp.proxy.wire import Piece, RequestHead


class Prepared(NamedTuple):
    """`hint` is x-codex-routing-hint, where it must change."""

    parts: list[Piece]
    hint: bytes | None
    model: str | None


def look_into(office: Office, head: RequestHead, body: Body, record: RequestRecord) -> Prepared:
    """Add the tier where policy and login say so, at this moment; raises codings.TooLarge."""
    effective = office.credentials.effective_policy()
    tier = office.config.settings.service_tier if effective is EffectivePolicy.INJECT_MISSING else None
    found = rewrite(
        body,
        lambda members: None if members.model in office.refusals else tier,
        coding=head.fields.get(b"content-encoding", b"identity").lower(),
        cap=office.config.limits.body,
    )
    record.effective_policy = effective
    record.json_error = found.error
    record.injected = found.injected
    members = found.members
    if members is None:
        return Prepared(found.parts, None, None)
    record.model = members.model
    record.tier_before = members.service_tier
    record.tier_after = tier if found.injected else members.service_tier
    record.stream = members.stream
    hint = head.fields.get(b"x-codex-routing-hint")
    changed = None if hint is None or tier is None or not found.injected else with_tier(hint, tier.encode())
    return Prepared(found.parts, changed, members.model)
