"""The reason of a failed connection in words.

Windows numbers the errors of sockets in its own way (winerror.h), and its C runtime has no words for them.
"""

from __future__ import annotations

import os
from typing import Final

_REFUSED: Final = "Connection refused"
_RESET: Final = "Connection reset by peer"
_ABORTED: Final = "Software caused connection abort"
_TIMED_OUT: Final = "Connection timed out"
_NETWORK: Final = "Network is unreachable"
_HOST: Final = "No route to host"
_OF_WINDOWS: Final = {
    64: _RESET,
    121: _TIMED_OUT,
    1225: _REFUSED,
    1231: _NETWORK,
    1232: _HOST,
    1236: _ABORTED,
    10013: "Permission denied",
    10048: "Address already in use",
    10049: "Cannot assign requested address",
    10050: "Network is down",
    10051: _NETWORK,
    10053: _ABORTED,
    10054: _RESET,
    10055: "No buffer space available",
    10060: _TIMED_OUT,
    10061: _REFUSED,
    10064: "Host is down",
    10065: _HOST,
}
_WINSOCK: Final = 10_000  # from here on, Windows' number is the errno, too


def words_of(error: OSError) -> str:
    """Return the words for a socket's error; "" where it has no number."""
    number = error.errno or 0
    code = getattr(error, "winerror", None) or (number if number > _WINSOCK else 0)
    return _OF_WINDOWS.get(code) or (os.strerror(number) if number else "")
