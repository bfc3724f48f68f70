"""The place of a home on Windows, and the Linuxes of WSL, which the registry lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from cfp.host.system.windows import subkey_values
from cfp.places import Place
from cfp.windows_paths import real_path_of_windows

_DISTRIBUTIONS: Final = r"Software\Microsoft\Windows\CurrentVersion\Lxss"
_OF_DOCKER: Final = "docker-desktop"  # its distributions hold no user's home


def read_place(home: Path) -> Place:
    """Read the place of a home; a drive letter of a network share counts as the share."""
    return Place(path=real_path_of_windows(home), system="windows")


def homes_beside(registry: Any = None) -> tuple[str, ...]:
    """Return the names of the Linuxes of this user. None is started for it, so their homes are not looked for.

    registry  the module winreg, or one like it; None: the system's own
    """
    names = (values.get("DistributionName") for values in subkey_values(_DISTRIBUTIONS, registry))
    return tuple(sorted(str(name) for name in names if name and not str(name).startswith(_OF_DOCKER)))
