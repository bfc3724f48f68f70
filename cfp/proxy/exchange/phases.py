"""The phases of a client connection, an exchange and a WebSocket tunnel, each with the phases that may follow it.

The tables in the docstrings are read by the tests: they refuse any other transition, and any row that never happens.
Back-pressure goes beside the phases: either leg may be paused in any of them.
"""

from __future__ import annotations

import enum
from typing import Final


class ConnectionPhase(enum.Enum):
    """The phases of a client connection.

    IDLE        no request; the next head may have begun        HEAD_READ RECEIVING RESPONDING CLOSING CLOSED
    HEAD_READ   a head without a body; END is the next event    RESPONDING CLOSING CLOSED
    RECEIVING   the request is not complete                     RESPONDING CLOSING CLOSED
    RESPONDING  the request is complete, the response is not    IDLE OPAQUE CLOSING CLOSED
    OPAQUE      after a protocol switch: bytes, no requests     CLOSING CLOSED
    CLOSING     the last bytes go out, input is dropped         CLOSED
    CLOSED      the transport is gone                           -
    """

    IDLE = enum.auto()
    HEAD_READ = enum.auto()
    RECEIVING = enum.auto()
    RESPONDING = enum.auto()
    OPAQUE = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class ExchangePhase(enum.Enum):
    """The phases of an exchange; AWAITING is followed by itself or by DIALLING where the request is sent once more.

    JUDGING     the head decides what happens next              COLLECTING INSPECTING DIALLING AWAITING DONE
    COLLECTING  an inspected body arrives                       INSPECTING DIALLING AWAITING DONE
    INSPECTING  a thread inspects a large body                  DIALLING AWAITING DONE
    DIALLING    a connection to the upstream is being opened    AWAITING DONE
    AWAITING    the upstream has the head of the request        AWAITING DIALLING RELAYING DONE
    RELAYING    the client has the head of the response         DONE
    DONE        everything is freed, the request is logged      -
    """

    JUDGING = enum.auto()
    COLLECTING = enum.auto()
    INSPECTING = enum.auto()
    DIALLING = enum.auto()
    AWAITING = enum.auto()
    RELAYING = enum.auto()
    DONE = enum.auto()


class TunnelPhase(enum.Enum):
    """The phases of a WebSocket tunnel; its turns go beside them.

    HANDSHAKE   the upstream has not accepted the handshake     OPEN ENDED
    OPEN        bytes pass in both directions                   ENDED
    ENDED       everything is freed and logged                  -
    """

    HANDSHAKE = enum.auto()
    OPEN = enum.auto()
    ENDED = enum.auto()


# Plain globals for the data path: CPython 3.11 calls a descriptor for each access to a member by its class.
IDLE: Final = ConnectionPhase.IDLE
HEAD_READ: Final = ConnectionPhase.HEAD_READ
RECEIVING: Final = ConnectionPhase.RECEIVING
RESPONDING: Final = ConnectionPhase.RESPONDING
OPAQUE: Final = ConnectionPhase.OPAQUE
CLOSING: Final = ConnectionPhase.CLOSING
CLOSED: Final = ConnectionPhase.CLOSED

JUDGING: Final = ExchangePhase.JUDGING
COLLECTING: Final = ExchangePhase.COLLECTING
INSPECTING: Final = ExchangePhase.INSPECTING
DIALLING: Final = ExchangePhase.DIALLING
AWAITING: Final = ExchangePhase.AWAITING
RELAYING: Final = ExchangePhase.RELAYING
DONE: Final = ExchangePhase.DONE

HANDSHAKE: Final = TunnelPhase.HANDSHAKE
OPEN: Final = TunnelPhase.OPEN
ENDED: Final = TunnelPhase.ENDED
