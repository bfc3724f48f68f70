"""The decisions that a request's head alone allows: its admission, its destination, its outbound head.

They are taken once for all heads that have the same bytes except for the length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from cfp.core.tiers.records import REFUSAL_STATUSES
from cfp.core.traffic.kinds import Kind, kind_of
from cfp.proxy.credentials import AuthOverride
from cfp.proxy.exchange.admission import Denial
from cfp.proxy.exchange.interfaces import WorkerServices
from cfp.proxy.exchange.routing import Destination, Route, split_absolute
from cfp.proxy.http.headers import HINT, VIA, HeadRewrite
from cfp.proxy.http.messages import RequestHead
from cfp.proxy.http.response_relay import Held
from cfp.proxy.telemetry.request_record import RequestRecord

_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
# Answers that may refuse our tier, and those that may get a Retry-After.
_HELD: Final = {
    (injected, helped): Held(frozenset({*(REFUSAL_STATUSES if injected else ()), *((429,) if helped else ())}))
    for injected in (False, True)
    for helped in (False, True)
}
# Lists of models in the place of a catalogue; where Codex has no other catalogue, any answer.
_LISTS: Final = {
    Destination.MODELS: Held(frozenset({200, 404}), 4 * 1024 * 1024),
    Destination.OWN_MODELS: Held(frozenset({200, *range(400, 600)}), 4 * 1024 * 1024),
}
_THREAD_ID: Final = re.compile(rb"[0-9A-Za-z-]{1,64}")  # a UUID; nothing else may reach the log by this field
_MODELS: Final = frozenset({Destination.RESPONSES, Destination.COMPACTION})
_READ: Final = frozenset({Destination.CATALOG, Destination.OWN_MODELS})
_OWN: Final = frozenset({Destination.HEALTH, Destination.DASHBOARD, Destination.NOT_FOUND})


class RequestPlan(NamedTuple):
    """The plan for one request.

    forwarded        the request goes to the upstream as an ordinary request
    denial           the reason not to serve it; None: the route decides
    target           in origin-form
    looping          the request has passed this worker before
    inspected        the body is held until it is complete, and may get the tier
    awaits_continue  the client sends its body after a 100 (Continue) (RFC 9110 10.1.1)
    coding           the body's content coding
    hint             the value of x-codex-routing-hint
    kind             of a model request; None where the request is not inspected
    session          the id of Codex's thread; None where there is none that looks like one
    lists_models     it is Codex's request for a catalogue
    """

    forwarded: bool
    denial: Denial | None
    route: Route
    target: bytes
    looping: bool
    inspected: bool
    awaits_continue: bool
    coding: bytes
    hint: bytes | None
    kind: Kind | None
    session: str | None
    lists_models: bool


def plan_request(services: WorkerServices, head: RequestHead) -> RequestPlan:
    """Return the plan for a request with this head."""
    plan: RequestPlan | None = head.cache.get(RequestPlan)
    if plan is None:
        plan = head.cache[RequestPlan] = _plan(services, head)
    return plan


def held_answers(services: WorkerServices, plan: RequestPlan, record: RequestRecord) -> Held:
    """Return the answers to this request that are held until they are complete."""
    if plan.lists_models:
        return _LISTS[plan.route.destination]
    helped = plan.inspected and plan.route.destination is Destination.RESPONSES
    return _HELD[record.injected, helped and not services.config.settings.pass_rate_limits]


def is_repeatable(head: RequestHead) -> bool:
    """Whether a request that the upstream may have seen can be sent again (RFC 9110 9.2.2): one without a body."""
    return head.method in _IDEMPOTENT and not (head.length or head.chunked)


def head_rewrite(
    services: WorkerServices,
    head: RequestHead,
    plan: RequestPlan,
    override: AuthOverride | None,
    hint: bytes | None = None,
    *,
    expect: bool,
) -> HeadRewrite:
    """Return the changes to the head on its way to the upstream, from a cache while the override stays."""
    cached: HeadRewrite | None = head.cache.get(HeadRewrite)
    plain = hint is None and not expect
    if cached is not None and plain and cached.override is override:
        return cached
    out = HeadRewrite(
        target=plan.route.target,
        host=services.origin.host_field,
        via=services.loop_id,
        override=override,
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
    page = router.is_page_request(head.method, target, fields.get(b"accept", b""))
    route = router.page if page else router.route(target)
    if route.destination in _READ and head.method not in {b"GET", b"HEAD"}:
        route = Route(Destination.NOT_FOUND, route.path)
    denial, looping = services.admission.check(head, authority, page=page), services.loop_id in fields.get(VIA, b"")
    answered_here = looping or denial is not None or route.destination in _OWN
    inspected = (
        route.destination in _MODELS
        and head.method == b"POST"
        and fields.get(b"content-type", b"").lower().startswith(b"application/json")
    )
    return RequestPlan(
        forwarded=not (answered_here or head.upgrade),
        denial=denial,
        route=route,
        target=target,
        looping=looping,
        inspected=inspected,
        awaits_continue=head.minor == 1 and fields.get(b"expect", b"").lower() == b"100-continue",
        coding=fields.get(b"content-encoding", b"identity").lower(),
        hint=fields.get(HINT),
        kind=kind_of(fields, compacts=route.destination is Destination.COMPACTION) if inspected else None,
        session=session_of(fields),
        lists_models=route.destination in _LISTS and head.method == b"GET",
    )


def session_of(fields: Mapping[bytes, bytes]) -> str | None:
    """Return the id of the thread that Codex names in the head (`thread_id` before 0.140)."""
    value = fields.get(b"thread-id") or fields.get(b"thread_id") or b""
    return value.decode() if _THREAD_ID.fullmatch(value) else None
