"""The request that tries a route, and its result: values only. `attempt` sends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cfp.host.provider.codex_client import CodexClient
from cfp.host.provider.keys import ProviderKey
from cfp.host.provider.request_extras import RequestExtras


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """The request that tries a candidate route.

    service_tier  the tier that the request has; None for none
    adds_tier     it is the one that the policy adds, and not the user's own choice
    key           None where the provider wants none
    overrides     the key replaces Codex's own identity headers, as the worker's override mode does
    client        the Codex in whose place it is sent
    path          of the endpoint, below the URL
    is_probe      an empty object stands in place of a turn: no provider runs it, and its refusal shows the path
    """

    provider: str
    upstream_base: str
    model: str
    service_tier: str | None
    key: ProviderKey | None
    extras: RequestExtras = field(default_factory=RequestExtras)
    overrides: bool = False
    adds_tier: bool = False
    client: CodexClient = field(default_factory=CodexClient)
    path: str = "/responses"
    is_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result field `verification`; times in milliseconds from the start, None where skipped.

    response_service_tier  the tier in the first event; later events are not read
    service_tier_refused   the provider refused the request with the tier, and answered it without
    """

    status: str
    provider: str
    upstream_base: str
    model: str
    service_tier_request: str | None
    response_status: int | None = None
    response_content_type: str | None = None
    first_event_ms: int | None = None
    total_ms: int | None = None
    response_service_tier: str | None = None
    service_tier_refused: bool = False
    api_key_source: str | None = None
    request: str = "POST /v1/responses"
    stream: bool = True
    profile: str = "smoke"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def skipped(request: VerificationRequest) -> Verification:
    """Return the result for --no-verify, and for a change that needs no verification."""
    return Verification(
        status="skipped",
        provider=request.provider,
        upstream_base=request.upstream_base,
        model=request.model,
        service_tier_request=request.service_tier,
        api_key_source=None if request.key is None else request.key.source,
    )
