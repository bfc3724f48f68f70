"""The exclusive lock of a journal, kept by the kernel: it is released when its process ends, so none is stale."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["NativeLocks"]

if TYPE_CHECKING:
    if sys.platform == "win32":
        from journal._windows_lock import WindowsLocks as NativeLocks
    else:
        from journal._posix_lock import PosixLocks as NativeLocks
else:
    _module, _name = {"win32": ("journal._windows_lock", "WindowsLocks")}.get(
        sys.platform, ("journal._posix_lock", "PosixLocks")
    )
    NativeLocks = getattr(import_module(_module), _name)
