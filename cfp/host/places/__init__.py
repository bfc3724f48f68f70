"""The place of a Codex home, and the other systems of this computer that may have a home of their own.

Windows and a Linux inside it (WSL) are two systems with two homes. Neither is started, entered or changed from here.

    read_place     the place of a home
    homes_beside   the other systems: in WSL the paths of the homes of Windows, on Windows the names of the Linuxes
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from cfp.host.places._windows import homes_beside, read_place
else:
    from cfp.host.places._posix import homes_beside, read_place

__all__ = ["homes_beside", "read_place"]
