"""The owner of a socket on Windows: the table of TCP connections names the process, and its token the user's SID.

A process that does not show its SID is trusted no more than one whose SID is another. Whether an elevated process of
the same user shows it to one that is not elevated has not been tried.
"""

from __future__ import annotations

import _socket
import struct
import sys

from cfp.socket_owner._addresses import packed, reached

assert sys.platform == "win32"  # noqa: S101  mypy then reads this file for Windows alone

TYPE_CHECKING = False  # see the package
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cfp.socket_owner import Address, OwnerLookup, User

UNNAMED = ""  # the user of a process that shows no SID to us
NOBODY = "nobody"  # our own user, should our SID be unreadable: nobody's SID, so that no process is trusted as ours
# iprtrmib.h, tcpmib.h: GetExtendedTcpTable
_LISTENERS, _CONNECTIONS = 3, 4
_TIME_WAIT = 11
_ROW = struct.Struct("=I4s2H4s2HI")  # MIB_TCPROW_OWNER_PID; each port is the first half of its word, big-endian
_ROW6 = struct.Struct("=16sI2H16sI2HII")  # MIB_TCP6ROW_OWNER_PID
_ERROR_ACCESS_DENIED, _ERROR_INVALID_PARAMETER, _ERROR_INSUFFICIENT_BUFFER = 5, 87, 122
_PROCESS_QUERY_LIMITED_INFORMATION, _TOKEN_QUERY, _TOKEN_USER = 0x1000, 8, 1
_STILL_ACTIVE = 259
_SID_TYPE_USER = 1
_ROOM = 64 * 1024
_own: list[User] = []


class TcpTable:
    """The lookup in the system's table of TCP connections."""

    name = "tcp_table"

    def owner(self, peer: Address, ours: Address) -> User | None:
        family, source = packed(peer[0])
        _, target = packed(ours[0])
        for state, local, port, remote, remote_port, pid in _rows(family, _CONNECTIONS):
            if (local, port, remote, remote_port) == (source, peer[1], target, ours[1]):
                return None if state == _TIME_WAIT or not pid else process_user(pid)
        return None

    def close(self) -> None:
        """Do nothing: the table is read for each lookup."""


def lookups() -> tuple[Callable[[], OwnerLookup], ...]:
    # Wine names the process of a socket only once that has read from it, and a new client has not.
    return () if _libraries().is_wine else (TcpTable,)


def listener_users(address: Address) -> set[User]:
    local = reached(address[0])
    users = {
        process_user(pid)
        for family in (_socket.AF_INET, _socket.AF_INET6)
        for _, host, port, _, _, pid in _rows(family, _LISTENERS)
        if pid and host in local and port == address[1]
    }
    return {user for user in users if user is not None}


def listener_pid(port: int) -> int | None:
    """Return the process that listens at a loopback or wildcard address of this port."""
    local = reached("127.0.0.1") | reached("::1")
    for family in (_socket.AF_INET, _socket.AF_INET6):
        for _, host, at, _, _, pid in _rows(family, _LISTENERS):
            if at == port and (host in local or (host[:1] == b"\x7f" and len(host) == 4)):
                return pid
    return None


def own_user() -> User:
    if not _own:
        _own.append(ours(process_user(_libraries().kernel32.GetCurrentProcessId())))
    return _own[0]


def ours(user: User | None) -> User:
    """Return the user of this process as it is compared with others': one without a SID is nobody else's."""
    return user or NOBODY


def user_name(user: User) -> str:
    """Return the name with its domain, or the SID where Windows knows no name for it."""
    if user in {UNNAMED, NOBODY}:
        return "a user whose name Windows does not show"
    return _account(str(user))[0] or str(user)


def account_name(sid: str) -> str:
    """Return the name of a user's account; "" for a group, and for a SID that Windows does not know."""
    name, kind = _account(sid)
    return name if kind == _SID_TYPE_USER else ""


def _account(sid_text: str) -> tuple[str, int]:
    """Return the name with its domain and the SID_NAME_USE of a SID; ("", 0) where Windows does not know it."""
    import ctypes  # noqa: PLC0415  see _libraries

    advapi = _libraries().advapi32
    sid = ctypes.create_string_buffer(_packed_sid(sid_text))
    name, domain = ctypes.create_unicode_buffer(256), ctypes.create_unicode_buffer(256)
    sizes, kind = (ctypes.c_ulong(256), ctypes.c_ulong(256)), ctypes.c_ulong()
    is_known = advapi.LookupAccountSidW(
        None, sid, name, ctypes.byref(sizes[0]), domain, ctypes.byref(sizes[1]), ctypes.byref(kind)
    )
    return (f"{domain.value}\\{name.value}", kind.value) if is_known else ("", 0)


def process_user(pid: int) -> User | None:
    """Return the SID of a process's user; UNNAMED where it does not show it, None where there is no such process."""
    import ctypes  # noqa: PLC0415  see _libraries

    libraries = _libraries()
    process = libraries.kernel32.OpenProcess(_PROCESS_QUERY_LIMITED_INFORMATION, 0, pid)
    if not process:
        return None if ctypes.get_last_error() == _ERROR_INVALID_PARAMETER else UNNAMED
    token, code = ctypes.c_void_p(), ctypes.c_ulong()
    try:
        if libraries.kernel32.GetExitCodeProcess(process, ctypes.byref(code)) and code.value != _STILL_ACTIVE:
            return None  # somebody still has a handle on it, as its parent does
        if not libraries.advapi32.OpenProcessToken(process, _TOKEN_QUERY, ctypes.byref(token)):
            return UNNAMED
    finally:
        libraries.kernel32.CloseHandle(process)
    try:
        buffer, size = ctypes.create_string_buffer(256), ctypes.c_ulong()
        if not libraries.advapi32.GetTokenInformation(token, _TOKEN_USER, buffer, 256, ctypes.byref(size)):
            return UNNAMED
    finally:
        libraries.kernel32.CloseHandle(token)
    # TOKEN_USER: a pointer to the SID, which stands behind it in the buffer.
    start = ctypes.c_void_p.from_buffer(buffer).value or 0
    return _written_sid(buffer.raw[start - ctypes.addressof(buffer) :])


def _written_sid(sid: bytes) -> str:
    """Write a SID as S-1-5-21-…; winnt.h: its revision, the count of its parts, its authority, its parts."""
    revision, count = sid[0], sid[1]
    parts = struct.unpack_from(f"<{count}I", sid, 8)
    return "-".join(map(str, ("S", revision, int.from_bytes(sid[2:8], "big"), *parts)))


def _packed_sid(text: str) -> bytes:
    _, revision, authority, *parts = text.split("-")
    return (
        bytes((int(revision), len(parts)))
        + int(authority).to_bytes(6, "big")
        + struct.pack(f"<{len(parts)}I", *map(int, parts))
    )


def _rows(family: int, kind: int) -> Iterator[tuple[int, bytes, int, bytes, int, int]]:
    """Yield state, local address and port, remote address and port, and pid of each row; raises OSError."""
    import ctypes  # noqa: PLC0415  see _libraries

    table = _libraries().iphlpapi.GetExtendedTcpTable
    size = ctypes.c_ulong(_ROOM)
    while True:
        buffer = ctypes.create_string_buffer(size.value)
        error = table(buffer, ctypes.byref(size), 0, int(family), kind, 0)
        if error != _ERROR_INSUFFICIENT_BUFFER:
            break
        size.value += _ROOM  # connections that come meanwhile need room too
    if error:
        raise OSError(None, "the table of TCP connections cannot be read", None, error)
    (count,) = struct.unpack_from("=I", buffer)
    rows = memoryview(buffer).cast("B")[4:]
    if family == _socket.AF_INET:
        for state, local, port, _, remote, remote_port, _, pid in _ROW.iter_unpack(rows[: count * _ROW.size]):
            yield state, local, _socket.ntohs(port), remote, _socket.ntohs(remote_port), pid
    else:
        for local, _, port, _, remote, _, remote_port, _, state, pid in _ROW6.iter_unpack(rows[: count * _ROW6.size]):
            yield state, local, _socket.ntohs(port), remote, _socket.ntohs(remote_port), pid


class _Libraries:
    """The libraries of Windows that are called here."""

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415  see _libraries

        self.kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        self.advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
        self.iphlpapi = ctypes.WinDLL("iphlpapi")
        handle, number, pointer = ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p
        self.kernel32.OpenProcess.argtypes = (number, ctypes.c_int, number)
        self.kernel32.OpenProcess.restype = handle
        self.kernel32.GetExitCodeProcess.argtypes = (handle, pointer)
        self.kernel32.CloseHandle.argtypes = (handle,)
        self.advapi32.OpenProcessToken.argtypes = (handle, number, pointer)
        self.advapi32.GetTokenInformation.argtypes = (handle, ctypes.c_int, pointer, number, pointer)
        self.advapi32.LookupAccountSidW.argtypes = (ctypes.c_wchar_p, *(pointer,) * 6)
        self.iphlpapi.GetExtendedTcpTable.argtypes = (pointer, pointer, ctypes.c_int, number, ctypes.c_int, number)
        self.is_wine = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


_loaded: list[_Libraries] = []


def _libraries() -> Any:
    """Load the libraries at the first lookup: importing ctypes costs the hook more than the rest of this module."""
    if not _loaded:
        _loaded.append(_Libraries())
    return _loaded[0]
