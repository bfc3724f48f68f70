"""Codex's request for the catalogue of models, where the provider's answer may get a catalogue in its place.

Codex names its version in the request, so a program that wants the provider's list gets that. An answer is replaced
only once it is complete; a longer or slower one than is held passes as it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cfp.core.catalog.entries import Knowledge, serialise, stand_in, whole_catalog
from cfp.proxy.exchange.exchange import Exchange
from cfp.proxy.exchange.local_exchange import write_local
from cfp.proxy.exchange.phases import AWAITING, RELAYING
from cfp.proxy.exchange.routing import Destination
from cfp.proxy.http.content_coding import readable
from cfp.proxy.http.local_responses import LocalResponse
from cfp.proxy.http.response_relay import ResponseRelay

if TYPE_CHECKING:
    from cfp.core.catalog.entries import Entry
    from cfp.proxy.http.messages import ResponseHead

_DECODED_LIMIT: Final = 16 * 1024 * 1024
_VERSION: Final = re.compile(rb"[?&]client_version=(\d+)\.(\d+)\.(\d+)")


class ModelsExchange(Exchange):
    """One such request. While the catalogue is made it stays AWAITING, without a connection."""

    def _replace_held(self, relay: ResponseRelay, head: ResponseHead) -> bool:
        if head.is_redirect or not relay.ended or relay.malformed is not None:
            return super()._replace_held(relay, head)
        self._free_connection(reusable=head.keep_alive and self._body.complete)
        self._task = asyncio.get_running_loop().create_task(self._replace(relay, head))
        return True

    def _answer(self, local_response: LocalResponse, **details: str | int) -> None:
        """Send a catalogue without the provider's where Codex knows no other, else the response of our own."""
        if not self._stands_alone:
            super()._answer(local_response, **details)
            return
        self._free_connection(reusable=False)
        self.phase = AWAITING
        self._task = asyncio.get_running_loop().create_task(self._replace_failure(local_response, details))

    @property
    def _stands_alone(self) -> bool:
        return self._plan.route.destination is Destination.OWN_MODELS

    async def _replace(self, relay: ResponseRelay, head: ResponseHead) -> None:
        coding = head.fields.get(b"content-encoding", b"identity").lower()
        entries = await self._entries(head.status, readable(coding, b"".join(relay.held_pieces), _DECODED_LIMIT))
        self._task = None
        if entries is not None:
            self._send_catalog(entries)
            return
        relay.output = ()
        relay.release_held(close=self._must_close())
        self.phase = RELAYING
        self._pass_on(relay)
        self._complete(relay)

    async def _replace_failure(self, local_response: LocalResponse, details: Mapping[str, str | int]) -> None:
        entries = await self._entries(local_response.status, b"")
        self._task = None
        if entries is None:
            super()._answer(local_response, **details)
        else:
            self._record.error_type = local_response.code
            self._send_catalog(entries)

    async def _entries(self, status: int, body: bytes) -> Sequence[Entry] | None:
        services, alone = self._services, self._stands_alone
        match = _VERSION.search(self._plan.target)
        version = None if match is None else tuple(map(int, match.groups()))
        known = Knowledge(
            bundled=await services.bundled_catalog.entries(version, exactly=not alone),
            refused=services.tier_refusals.models,
            tier=services.config.settings.service_tier,
        )
        return (whole_catalog if alone else stand_in)(status, body, known)

    def _send_catalog(self, entries: Sequence[Mapping[str, Any]]) -> None:
        close = self._must_close()
        self._record.status = 200
        write_local(self._client, self._head, 200, serialise(entries), close=close)
        self._end()
        self._client.end_conversation(close=close)
