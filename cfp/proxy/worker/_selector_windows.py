"""The selector of Windows, without the 512 sockets to which CPython limits `select` there: beyond them, WSAPoll.

`select` is what most workers use, since before version 2004 of Windows 10 WSAPoll does not report that a connection
could not be made: with more sockets than that, an old Windows finds a dead provider only by the time limit.
"""

from __future__ import annotations

import math
import selectors
import struct
import sys
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import TYPE_CHECKING, Any, Final

assert sys.platform == "win32"  # noqa: S101  mypy then reads this file for Windows alone

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

MOST_SELECTED: Final = 512  # FD_SETSIZE of CPython's select module
# winsock2.h: struct pollfd of a 64-bit Windows, and its flags
_POLLFD: Final = struct.Struct("=QHH4x")
_POLLRDNORM, _POLLWRNORM, _INPUT, _OUTPUT = 0x0100, 0x0010, 0x0300, 0x0010


class Selector(selectors.SelectSelector):
    """A selector for any number of sockets."""

    def __init__(self, most_selected: int = MOST_SELECTED) -> None:
        super().__init__()
        self._most_selected = most_selected
        self._polled: Any = None  # the array of struct pollfd; None where it is not that of the present sockets
        self._keys: list[SelectorKey] = []
        self._wsa_poll: Any = None

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> SelectorKey:
        self._polled = None
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> SelectorKey:
        self._polled = None
        return super().unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> SelectorKey:
        self._polled = None
        return super().modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if len(self.get_map()) <= self._most_selected:
            return super().select(timeout)
        return self._poll(timeout)

    def _poll(self, timeout: float | None) -> list[tuple[SelectorKey, int]]:
        import ctypes  # noqa: PLC0415  few workers ever have so many sockets

        if self._wsa_poll is None:
            self._wsa_poll = ctypes.WinDLL("ws2_32", use_last_error=True).WSAPoll
            self._wsa_poll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
        if self._polled is None:
            self._keys = list(self.get_map().values())
            packed = b"".join(_POLLFD.pack(key.fd, _poll_events(key.events), 0) for key in self._keys)
            self._polled = ctypes.create_string_buffer(packed, len(packed))
        milliseconds = -1 if timeout is None else max(0, math.ceil(timeout * 1000))
        count = self._wsa_poll(self._polled, len(self._keys), milliseconds)
        if count < 0:
            raise ctypes.WinError(ctypes.get_last_error())
        ready = []
        for key, (_, _, reported) in zip(self._keys, _POLLFD.iter_unpack(self._polled.raw), strict=True):
            if reported:
                # An error and a hang-up wake the reader and the writer, as with poll on other systems.
                events = (EVENT_WRITE if reported & ~_INPUT else 0) | (EVENT_READ if reported & ~_OUTPUT else 0)
                if events & key.events:
                    ready.append((key, events & key.events))
        return ready


def _poll_events(events: int) -> int:
    return (_POLLRDNORM if events & EVENT_READ else 0) | (_POLLWRNORM if events & EVENT_WRITE else 0)
