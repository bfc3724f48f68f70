"""The interfaces of an exchange: its client's connection, the conversation, and the services of the worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cfp.proxy.config import WorkerConfig
from cfp.proxy.credentials import Credentials
from cfp.proxy.exchange.admission import Admission
from cfp.proxy.exchange.routing import Router
from cfp.proxy.http.head_cache import HeadCache
from cfp.proxy.http.messages import Headers, Malformed, Piece, RequestHead
from cfp.proxy.http.socket_io import ReadBuffer
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.upstream.origin import Origin
from cfp.proxy.upstream.pool import Pool
from cfp.proxy.upstream_capabilities import TierRefusals, WebSocketSupport

if TYPE_CHECKING:
    from cfp.proxy.bundled_catalog import BundledCatalog
    from cfp.proxy.exchange.tier_injection import TierInjection


class Conversation(Protocol):
    """A client connection has one conversation at a time: an exchange, a WebSocket tunnel or a browser's request.

    idle  a close cuts nothing that the client waits for
    """

    @property
    def idle(self) -> bool: ...

    def begin(self) -> None: ...

    def on_data(self, piece: bytes) -> None: ...

    def on_trailers(self, headers: Headers) -> None: ...

    def on_end(self) -> None: ...

    def on_malformed(self, malformed: Malformed) -> None: ...

    def on_lost(self) -> None: ...

    def check_time_limits(self, now: float) -> None:
        """End the conversation where its client has been silent for too long; called now and then."""

    def pause_download(self) -> None: ...

    def resume_download(self) -> None: ...

    def close_if_idle(self) -> None:
        """End the conversation, and with it the connection, where it is idle."""


class Client(Protocol):
    """The client's connection.

    trusted       the peer's process belongs to our own user
    write_paused  the client reads more slowly than we write
    """

    trusted: bool
    write_paused: bool

    def write(self, parts: Sequence[Piece]) -> None: ...

    def end_conversation(self, *, close: bool) -> None:
        """End the conversation; the connection serves the next request, or closes once everything is written."""

    def break_off(self, *, reset: bool) -> None:
        """Close in the middle of a response; `reset` where a plain close would look like the end of its body."""

    def pause_input(self) -> None: ...

    def resume_input(self) -> None: ...

    def silent_for(self, now: float) -> float:
        """Seconds since the client sent a part of its request; 0 while it is not read from."""

    def hand_to(self, conversation: Conversation) -> None:
        """Put another conversation in the place of the current one, and begin it."""

    def switch_protocol(self) -> None:
        """Pass on bytes as they come from here on: they are not HTTP any more."""


class Dashboard(Protocol):
    """The dashboard, which answers the requests of browsers."""

    def conversation(self, head: RequestHead, path: bytes, client: Client) -> Conversation:
        """Return the conversation that answers a browser's request."""


class WorkerServices(Protocol):
    """The services that all exchanges of one worker share.

    draining  every response says that its connection closes
    leaving   a connection closes as soon as it is idle, whether a response has said so or not
    """

    config: WorkerConfig
    origin: Origin
    router: Router
    admission: Admission
    credentials: Credentials
    pool: Pool
    head_cache: HeadCache
    read_buffer: ReadBuffer
    tier_refusals: TierRefusals
    websocket_support: WebSocketSupport
    loop_id: bytes
    draining: bool
    leaving: bool

    @property
    def dashboard(self) -> Dashboard | None: ...

    @property
    def tier_injection(self) -> TierInjection: ...

    @property
    def bundled_catalog(self) -> BundledCatalog: ...

    def new_record(self, method: bytes, target: bytes, session: str | None = None) -> RequestRecord:
        """Begin the record of one request; `session` is the id of Codex's thread."""

    def log(self, record: RequestRecord) -> None:
        """End a record and write its log line."""

    def request_started(self) -> None:
        """Count one more request that goes to the upstream."""

    def request_ended(self) -> None:
        """Count a request to the upstream as ended."""

    def health(self) -> bytes: ...
