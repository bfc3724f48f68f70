"""A request that is answered here, or handed to the dashboard or to a WebSocket tunnel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfp.proxy.exchange.admission import Denial
from cfp.proxy.exchange.interfaces import Client, WorkerServices
from cfp.proxy.exchange.request_plan import RequestPlan
from cfp.proxy.exchange.routing import Destination
from cfp.proxy.http.local_responses import LocalResponse, response
from cfp.proxy.http.messages import RequestHead

if TYPE_CHECKING:
    from cfp.proxy.exchange.websocket_tunnel import WebSocketTunnel


class LocalExchange:
    """One request that is not forwarded. `run` ends it at once, without the rest of its body."""

    def __init__(
        self, services: WorkerServices, client: Client, head: RequestHead, plan: RequestPlan, *, complete: bool
    ) -> None:
        """`complete`: the request has no body, or all of it has arrived."""
        self._services = services
        self._client = client
        self._head = head
        self._plan = plan
        self._complete = complete
        self._record = services.new_record(head.method, plan.target, plan.session)

    def run(self) -> None:
        """Write the response, or hand the client to another conversation."""
        plan, services = self._plan, self._services
        denial = plan.denial if self._client.trusted else Denial.PEER
        destination = plan.route.destination
        if plan.looping and self._client.trusted:  # before the denial: a loop may come back under any Host
            self._answer(LocalResponse.LOOP)
        elif denial is not None:
            self._answer(LocalResponse.NOT_ADMITTED, error_type=denial.value, reason=denial.reason)
        elif destination is Destination.HEALTH:
            self._health()
        elif destination is Destination.DASHBOARD:
            self._open_dashboard(plan.route.path)
        elif destination is Destination.NOT_FOUND:
            self._answer(LocalResponse.NOT_FOUND, base=services.config.settings.proxy_base)
        else:
            self._answer_upgrade()

    def _open_dashboard(self, path: bytes) -> None:
        dashboard = self._services.dashboard
        if dashboard is None:
            self._answer(LocalResponse.NO_DASHBOARD)
        else:
            self._client.hand_to(dashboard.conversation(self._head, path, self._client))

    def _answer_upgrade(self) -> None:
        from cfp.proxy.http.websocket_frames import is_handshake  # noqa: PLC0415  most clients open no WebSocket

        if self._plan.route.destination is Destination.RESPONSES and is_handshake(self._head):
            self._client.hand_to(self._new_tunnel())
        else:
            self._answer(LocalResponse.UPGRADE)

    def _new_tunnel(self) -> WebSocketTunnel:
        from cfp.proxy.exchange.websocket_tunnel import WebSocketTunnel  # noqa: PLC0415  most clients open no WebSocket

        return WebSocketTunnel(self._services, self._client, self._head, self._plan.route.target, self._record)

    def _health(self) -> None:
        if self._head.method in {b"GET", b"HEAD"}:
            close = self._must_close()
            write_local(self._client, self._head, 200, self._services.health(), close=close)
            self._client.end_conversation(close=close)
        else:
            self._answer(LocalResponse.METHOD)

    def _answer(self, local_response: LocalResponse, *, error_type: str | None = None, **details: str | int) -> None:
        close = self._must_close()
        self._record.status = local_response.status
        self._record.error_type = error_type or local_response.code
        write_local(self._client, self._head, local_response.status, local_response.body(**details), close=close)
        self._services.log(self._record)
        self._client.end_conversation(close=close)

    def _must_close(self) -> bool:
        head = self._head
        reusable = head.keep_alive and head.minor == 1 and not head.upgrade
        return not (reusable and self._complete) or self._services.draining


def write_local(client: Client, head: RequestHead, status: int, body: bytes, *, close: bool) -> None:
    """Write a response of our own; after HEAD without its body."""
    text = response(status, body, close=close)
    client.write([text[: len(text) - len(body)] if head.method == b"HEAD" else text])
