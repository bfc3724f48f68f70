"""Variables of the environment by name; on Windows, a name is the same in upper and lower case.

config.toml may spell a variable as it likes there, and Codex finds it: Windows compares names without regard to case.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

# Without these a program of Windows finds neither its libraries (Winsock is one) nor other programs.
OF_WINDOWS: Final = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROGRAMFILES", "PROGRAMDATA")
_ON_WINDOWS: Final = sys.platform == "win32"


def variables_of(*sources: Mapping[str, str], windows: bool = _ON_WINDOWS) -> dict[str, str]:
    """Return the variables of all sources; a later one wins."""
    pairs = [pair for source in sources for pair in source.items()]
    return VariablesOfWindows({name.upper(): value for name, value in pairs}) if windows else dict(pairs)


def names_of(variables: Mapping[str, str], *, windows: bool = _ON_WINDOWS) -> frozenset[str]:
    """Return the names of the variables that are not blank."""
    names = [name for name, value in variables.items() if value.strip()]
    return NamesOfWindows(names) if windows else frozenset(names)


class VariablesOfWindows(dict[str, str]):
    """Variables whose names are kept in upper case, and found in any."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.upper())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.upper())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.upper(), default)


class NamesOfWindows(frozenset[str]):
    """Names that are kept in upper case, and found in any."""

    def __new__(cls, names: Iterable[str]) -> Self:
        return super().__new__(cls, (name.upper() for name in names))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.upper())

    def __or__(self, others: Any) -> Any:
        return NamesOfWindows((*self, *others))

    __ror__ = __or__
