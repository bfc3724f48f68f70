"""What a request's head alone decides: whether it may come in, who answers it, and how it goes out.

Judged once for all heads that have the same bytes but for the length.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cfp.proxy.exchange.admission import Denial
from cfp.proxy.exchange.interfaces import WorkerServices
from cfp.proxy.exchange.routing import Destination, Route, split_absolute
from cfp.proxy.http.headers import HINT, VIA, HeadRewrite
from cfp.proxy.http.messages import RequestHead

_OWN: Final = frozenset({Destination.HEALTH, Destination.DASHBOARD, Destination.NOT_FOUND})


class RequestPlan(NamedTuple):
    """`refusal`: nobody answers but with that; else `route` says who does.

    forwarded   it goes to the upstream, as what it is
    target      in origin-form
    looping     it has been here before
    inspected   its body is held, and may get the tier
    expects     the client waits with its body for a word (RFC 9110 10.1.1)
    coding      of the body
    hint        x-codex-routing-hint, as it came
    """

    forwarded: bool
    refusal: Denial | None
    route: Route
    target: bytes
    looping: bool
    inspected: bool
    expects: bool
    coding: bytes
    hint: bytes | None


def plan_request(services: WorkerServices, head: RequestHead) -> RequestPlan:
    """Judge a head."""
    known: RequestPlan | None = head.cache.get(RequestPlan)
    if known is None:
        known = head.cache[RequestPlan] = _plan(services, head)
    return known


def head_rewrite(
    services: WorkerServices,
    head: RequestHead,
    authorization: bytes | None,
    hint: bytes | None = None,
    *,
    expect: bool,
) -> HeadRewrite:
    """What the upstream is told differently; the same object as long as the key is, where nothing else is."""
    known: HeadRewrite | None = head.cache.get(HeadRewrite)
    plain = hint is None and not expect
    if known is not None and plain and known.authorization is authorization:
        return known
    out = HeadRewrite(
        target=plan_request(services, head).route.target,
        host=services.origin.host_field,
        via=services.loop_id,
        authorization=authorization,
        hint=hint,
        expect=expect,
        forward_proxy=services.pool.forward_proxy,
    )
    if plain:
        head.cache[HeadRewrite] = out
    return out


def _plan(services: WorkerServices, head: RequestHead) -> RequestPlan:
    fields, router = head.fields, services.router
    authority, target = (None, head.target) if head.target[:1] == b"/" else split_absolute(head.target)
    page = router.asks_for_page(head.method, target, fields.get(b"accept", b""))
    route = router.page if page else router.route(target)
    refusal, looping = services.admission.refuse(head, authority, page=page), services.loop_id in fields.get(VIA, b"")
    answered_here = looping or refusal is not None or route.destination in _OWN
    return RequestPlan(
        forwarded=not (answered_here or head.upgrade),
        refusal=refusal,
        route=route,
        target=target,
        looping=looping,
        inspected=(
            route.destination is Destination.RESPONSES
            and head.method == b"POST"
            and fields.get(b"content-type", b"").lower().startswith(b"application/json")
        ),
        expects=head.minor == 1 and fields.get(b"expect", b"").lower() == b"100-continue",
        coding=fields.get(b"content-encoding", b"identity").lower(),
        hint=fields.get(HINT),
    )
