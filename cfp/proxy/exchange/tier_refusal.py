"""Whether an upstream's answer may be a refusal of the service tier that we added.

By its status: 400 and 422 say that the request was not run, so that one repeat without the tier costs nothing twice.
401, 402, 403, 408, 409, 429 and 5xx say something else, whatever their words. Providers word a refusal in many ways,
and some not at all, so the repeat is the proof: the tier counts as refused where that succeeds. For a model with
which the tier has been accepted, only an answer that names the tier is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cfp.core.tiers.records import REFUSAL_STATUSES
from cfp.proxy.http.messages import ResponseHead
from cfp.proxy.telemetry.request_record import RequestRecord

if TYPE_CHECKING:
    from cfp.proxy.upstream_capabilities import TierRefusals

_NAMES: Final = (b"service_tier", b"service tier", b"service-tier", b"servicetier")


def may_refuse_tier(status: int, body: bytes, coding: bytes, *, accepted: bool) -> bool:
    """Whether a request with our tier is worth one repeat without it.

    accepted  the upstream has run a request for this model with the tier
    """
    return status in REFUSAL_STATUSES and (not accepted or names_tier(body, coding))


class TierTrial:
    """The trial of the tier by one request: at most one repeat without it, and what the responses to both teach."""

    def __init__(self, refusals: TierRefusals) -> None:
        self._refusals = refusals
        self._repeats = False  # the request was sent again, and has no response yet

    def learn(self, record: RequestRecord, status: int) -> None:
        """Note by the status of a response whether the upstream accepts the tier."""
        if status < 300 and self._repeats:
            self._refusals.add(record.refusal_key)
        elif status < 300 and record.injected:
            self._refusals.accept(record.refusal_key)
        self._repeats = False

    def repeats(self, record: RequestRecord, head: ResponseHead, body: bytes) -> bool:
        """Whether the request is to be sent again without the tier; the record is then that of the repeat."""
        coding = head.fields.get(b"content-encoding", b"identity").lower()
        if not may_refuse_tier(head.status, body, coding, accepted=record.refusal_key in self._refusals.accepted):
            return False
        self._repeats = True
        record.injected = False
        record.tier_after = record.status = record.response_at = record.observer = None
        return True


def names_tier(body: bytes, coding: bytes) -> bool:
    """Whether the body of an error names the tier."""
    from cfp.proxy.http.content_coding import readable  # noqa: PLC0415  not needed to listen

    lowered = readable(coding, body, 1 << 18).lower()
    return any(name in lowered for name in _NAMES)
