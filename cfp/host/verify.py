"""One real streaming request to a candidate upstream: does it answer as Codex needs it to?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfp.host.keys import Extras, FoundKey


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """What the candidate would send.

    service_tier  the tier that the candidate policy would put there; None for none
    key           None where the provider wants none
    overrides     the key replaces Codex's own identity headers, as the worker's override mode does
    """

    provider: str
    upstream_base: str
    model: str
    service_tier: str | None
    key: FoundKey | None
    extras: Extras = Extras()
    overrides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result field `verification`; times in milliseconds from the first byte sent, None where skipped."""

    status: str
    provider: str
    upstream_base: str
    model: str
    service_tier_request: str | None
    response_status: int | None
    response_content_type: str | None
    first_event_ms: int | None
    total_ms: int | None
    response_service_tier: str | None
    api_key_source: str | None

    def to_json(self) -> dict[str, Any]:
        raise NotImplementedError


def skipped(request: VerificationRequest) -> Verification:
    """The result of --no-verify, and of a change that needs no verification."""
    raise NotImplementedError


def verify(request: VerificationRequest, timeout: float, *, environ: Mapping[str, str] = os.environ) -> Verification:
    """Send one small `POST <upstream_base>/responses`, `stream: true`, and wait for its first event.

    timeout  seconds for all of it
    Raises Failed with `host` and `reason`, and where there is one `status` and the provider's own `message`
    (redacted, at most 300 characters): upstream_dns, upstream_refused, upstream_unreachable, upstream_tls,
    upstream_rejected, upstream_not_sse, upstream_stalled, upstream_key_malformed.
    """
    raise NotImplementedError
