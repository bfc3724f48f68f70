"""A mask for the signals that would end the program between the first swap and the decision.

Blocked signals stay pending and arrive when the former mask is restored, milliseconds later. SIGKILL cannot be
blocked; recovery handles it.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from journal._windows_signals import WindowsSignalMask as SignalMask
else:
    from journal._posix_signals import PosixSignalMask as SignalMask

__all__ = ["SignalMask"]
