"""The file operations of the operating system that runs: each system has them in a file of its own."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

_CLASSES = {
    "linux": ("journal._linux", "LinuxFs"),
    "darwin": ("journal._macos", "MacosFs"),
    "win32": ("journal._windows", "WindowsFs"),
}
_OTHER = ("journal._posix", "PosixFs")

__all__ = ["RealFs"]

if TYPE_CHECKING:
    if sys.platform == "win32":
        from journal._windows import WindowsFs as RealFs
    elif sys.platform == "darwin":
        from journal._macos import MacosFs as RealFs
    else:
        from journal._linux import LinuxFs as RealFs
else:
    _module, _name = _CLASSES.get(sys.platform, _OTHER)
    RealFs = getattr(import_module(_module), _name)
