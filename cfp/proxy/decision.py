"""What a request's head alone decides: whether it may come in, who answers it, and what is done with its body."""

from __future__ import annotations

from typing import NamedTuple

from cfp.proxy.admission import Refusal
from cfp.proxy.headers import HINT, VIA
from cfp.proxy.ports import Office
from cfp.proxy.routing import Kind, Route, split_absolute
from cfp.proxy.wire import RequestHead


class Decision(NamedTuple):
    """`refusal`: nobody answers but with that; else `route` says who does.

    target      in origin-form
    looping     it has been here before
    looked_into its body is held, and may get the tier
    expects     the client waits with its body for a word (RFC 9110 10.1.1)
    coding      of the body
    hint        x-codex-routing-hint, as it came
    """

    refusal: Refusal | None
    route: Route
    target: bytes
    looping: bool
    looked_into: bool
    expects: bool
    coding: bytes
    hint: bytes | None


def decide(office: Office, head: RequestHead) -> Decision:
    """Judge a head, once for all that have the same bytes but for the length."""
    known: Decision | None = head.notes.get(Decision)
    if known is None:
        known = head.notes[Decision] = _decide(office, head)
    return known


def _decide(office: Office, head: RequestHead) -> Decision:
    fields, router = head.fields, office.router
    authority, target = (None, head.target) if head.target[:1] == b"/" else split_absolute(head.target)
    page = router.asks_for_page(head.method, target, fields.get(b"accept", b""))
    route = router.page if page else router.route(target)
    return Decision(
        refusal=office.admission.refuse(head, authority, page=page),
        route=route,
        target=target,
        looping=office.loop_id in fields.get(VIA, b""),
        looked_into=(
            route.kind is Kind.RESPONSES
            and head.method == b"POST"
            and fields.get(b"content-type", b"").lower().startswith(b"application/json")
        ),
        expects=head.minor == 1 and fields.get(b"expect", b"").lower() == b"100-continue",
        coding=fields.get(b"content-encoding", b"identity").lower(),
        hint=fields.get(HINT),
    )
