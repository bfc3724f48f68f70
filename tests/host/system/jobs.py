"""Job objects of Windows: groups of processes that end with the last handle to the job."""

from __future__ import annotations

import ctypes
import subprocess
from typing import Any, Self

_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_BREAKAWAY_OK, _KILL_ON_CLOSE = 0x800, 0x2000


class _Limits(ctypes.Structure):
    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("working_set", ctypes.c_size_t * 2),
        ("active", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("classes", ctypes.c_uint32 * 2),
        ("io", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


class Job:
    """A job that ends its processes when it is closed."""

    def __init__(self, *, may_break_away: bool) -> None:
        self._kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]  # there on Windows
        self._kernel.CreateJobObjectW.restype = ctypes.c_void_p
        self._job = ctypes.c_void_p(self._kernel.CreateJobObjectW(None, None))
        limits = _Limits(flags=_KILL_ON_CLOSE | (_BREAKAWAY_OK if may_break_away else 0))
        size = ctypes.sizeof(limits)
        assert self._kernel.SetInformationJobObject(self._job, _EXTENDED_LIMITS, ctypes.byref(limits), size)

    def take(self, process: subprocess.Popen[bytes]) -> None:
        """Put a process into the job; what it starts later is in it, too."""
        handle = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined, unused-ignore]  # there on Windows
        assert self._kernel.AssignProcessToJobObject(self._job, handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kernel.CloseHandle(self._job)
