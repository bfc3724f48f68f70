"""Whether a Codex home lies in a place where its files can be changed safely: a local disk of this very system.

An install rests on renames that are atomic, on locks, and on a key file that nobody else reads. A network share
promises none of that. A Windows drive inside WSL is such a share, and its home is that of Codex for Windows. A path
that makes Windows refuse some of our files would stop a change in its middle. What undoes an install of an older
version works in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from cfp.errors import Refused
from cfp.windows_paths import LONGEST_PATH, is_of_wsl, server_of

# Our longest name below a home has about 100 characters; tests/host/system/test_places.py measures it.
ROOM: Final = 120
LONGEST_HOME: Final = LONGEST_PATH - ROOM
# How WSL shows the drives of Windows: WSL 2, WSL 1, and WSL 2 by its newer transport.
WINDOWS_DRIVES: Final = frozenset({"9p", "drvfs", "virtiofs"})

PlaceCode = Literal["home_on_network", "home_in_wsl", "home_path_too_long", "home_on_windows_drive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a Codex home.

    path         the home, resolved
    system       windows, wsl (a Linux inside Windows), or other
    file_system  the type of the file system under the home, read in WSL alone
    """

    path: str = ""
    system: Literal["windows", "wsl", "other"] = "other"
    file_system: str = ""

    @property
    def refusal(self) -> PlaceCode | None:
        """The code by which an install is refused; None where it is not."""
        if self.system == "wsl":
            return "home_on_windows_drive" if self.file_system in WINDOWS_DRIVES else None
        if self.system == "other":
            return None
        if is_of_wsl(self.path):
            return "home_in_wsl"
        if server_of(self.path):
            return "home_on_network"
        return "home_path_too_long" if len(self.path) > LONGEST_HOME else None

    @property
    def details(self) -> Mapping[str, str | int]:
        """The values that the messages of a refusal name."""
        if self.refusal == "home_path_too_long":
            return {"path": self.path, "length": len(self.path), "longest": LONGEST_HOME}
        return {"path": self.path}


def check_place(place: Place) -> None:
    """Refuse to install where an install cannot be kept safe; raises Refused."""
    if place.refusal is not None:
        raise Refused(place.refusal, **place.details)
