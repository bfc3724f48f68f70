"""What an exchange needs of others: the leg to its client, and what all exchanges of one worker share."""

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
from cfp.proxy.learned import TierRefusals, WebSocketSupport
from cfp.proxy.telemetry.request_record import RequestRecord
from cfp.proxy.upstream.origin import Origin
from cfp.proxy.upstream.pool import Pool

if TYPE_CHECKING:
    from cfp.proxy.exchange.tier_injection import TierInjection


class Conversation(Protocol):
    """What a client's connection has one of at a time: an exchange, or the WebSocket that one has become.

    idle  nothing is under way that a close would cut
    """

    @property
    def idle(self) -> bool: ...

    def begin(self) -> None: ...

    def on_data(self, piece: bytes) -> None: ...

    def on_trailers(self, headers: Headers) -> None: ...

    def on_end(self) -> None: ...

    def on_malformed(self, malformed: Malformed) -> None: ...

    def on_lost(self) -> None: ...

    def on_silence(self, now: float) -> None: ...

    def pause_download(self) -> None: ...

    def resume_download(self) -> None: ...

    def retire(self) -> None:
        """End what is idle."""


class Client(Protocol):
    """The leg to Codex, as an exchange needs it. `full`: it reads more slowly than we write."""

    trusted: bool
    full: bool

    def write(self, parts: Sequence[Piece]) -> None: ...

    def finished(self, *, close: bool) -> None:
        """This exchange is over; the connection takes the next one, or closes when all is written."""

    def cut(self, *, reset: bool) -> None:
        """End the connection in the middle of a body; `reset` where a plain end would look like the body's own."""

    def hold_input(self, *, hold: bool) -> None: ...

    def silent_for(self, now: float) -> float:
        """Seconds since it sent a part of its request."""

    def go_on_with(self, conversation: Conversation) -> None:
        """Put it in the place of the exchange."""

    def switch(self) -> None:
        """From here on what the client sends is bytes, and no HTTP."""


class Dashboard(Protocol):
    """The dashboard, as an exchange needs it."""

    def visit(self, head: RequestHead, path: bytes, client: Client) -> Conversation:
        """What answers a browser in the exchange's place."""


class WorkerServices(Protocol):
    """What all exchanges of one worker share.

    draining  answers say that their connection closes
    leaving   it does so as soon as it is idle, whether an answer has said so or not
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
    def dashboard(self) -> Dashboard: ...

    @property
    def tier_injection(self) -> TierInjection: ...

    def record(self, method: bytes, target: bytes) -> RequestRecord:
        """Begin a log line."""

    def log(self, record: RequestRecord) -> None:
        """End it."""

    def began(self) -> None:
        """Count one more request that goes to the upstream."""

    def ended(self) -> None:
        """Count it as over."""

    def health(self) -> bytes: ...
