"""What a request's head alone decides: whether it may come in, who answers it, and how it goes out.

Judged once for all heads that have the same bytes but for the length.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cfp.proxy.admission import Refusal
from cfp.proxy.headers import HINT, VIA, Outbound
from cfp.proxy.ports import Office
from cfp.proxy.routing import Kind, Route, split_absolute
from cfp.proxy.wire import RequestHead

_OWN: Final = frozenset({Kind.HEALTH, Kind.DASHBOARD, Kind.NOT_FOUND})


class Decision(NamedTuple):
    """`refusal`: nobody answers but with that; else `route` says who does.

    forwarded   it goes to the upstream, as what it is
    target      in origin-form
    looping     it has been here before
    looked_into its body is held, and may get the tier
    expects     the client waits with its body for a word (RFC 9110 10.1.1)
    coding      of the body
    hint        x-codex-routing-hint, as it came
    """

    forwarded: bool
    refusal: Refusal | None
    route: Route
    target: bytes
    looping: bool
    looked_into: bool
    expects: bool
    coding: bytes
    hint: bytes | None


def decide(office: Office, head: RequestHead) -> Decision:
    """Judge a head."""
    known: Decision | None = head.notes.get(Decision)
    if known is None:
        known = head.notes[Decision] = _decide(office, head)
    return known


def outbound(
    office: Office, head: RequestHead, authorization: bytes | None, hint: bytes | None = None, *, expect: bool
) -> Outbound:
    """What the upstream is told differently; the same object as long as the key is, where nothing else is."""
    known: Outbound | None = head.notes.get(Outbound)
    plain = hint is None and not expect
    if known is not None and plain and known.authorization is authorization:
        return known
    out = Outbound(
        target=decide(office, head).route.target,
        host=office.origin.host_field,
        via=office.loop_id,
        authorization=authorization,
        hint=hint,
        expect=expect,
        through=office.pool.through,
    )
    if plain:
        head.notes[Outbound] = out
    return out


def _decide(office: Office, head: RequestHead) -> Decision:
    fields, router = head.fields, office.router
    authority, target = (None, head.target) if head.target[:1] == b"/" else split_absolute(head.target)
    page = router.asks_for_page(head.method, target, fields.get(b"accept", b""))
    route = router.page if page else router.route(target)
    refusal, looping = office.admission.refuse(head, authority, page=page), office.loop_id in fields.get(VIA, b"")
    answered_here = looping or refusal is not None or route.kind in _OWN
    return Decision(
        forwarded=not (answered_here or head.upgrade),
        refusal=refusal,
        route=route,
        target=target,
        looping=looping,
        looked_into=(
            route.kind is Kind.RESPONSES
            and head.method == b"POST"
            and fields.get(b"content-type", b"").lower().startswith(b"application/json")
        ),
        expects=head.minor == 1 and fields.get(b"expect", b"").lower() == b"100-continue",
        coding=fields.get(b"content-encoding", b"identity").lower(),
        hint=fields.get(HINT),
    )
