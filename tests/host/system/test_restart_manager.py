"""The names of the programs that have a file open, asked of a library that records the calls."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cfp.host.system.files.restart_manager import ProcessInfo, holders

FILE = Path("C:/Users/me/.codex/config.toml")
MORE_DATA, REFUSED = 234, 5


class Library:
    """rstrtmgr.dll with these programs; a call named in `fails` returns an error."""

    def __init__(self, programs: Sequence[tuple[int, str]] = (), *, fails: str = "", grows: int = 0) -> None:
        self.calls: list[str] = []
        self.registered: list[str] = []
        self._programs = list(programs)
        self._fails = fails
        self._grows = grows

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            return REFUSED if name == self._fails else int(getattr(self, f"_{name}")(*arguments))

        return call

    def _RmStartSession(self, handle: Any, flags: int, key: Any) -> int:  # noqa: N802 - Windows' name
        assert (0, 33) == (flags, len(key))  # CCH_RM_SESSION_KEY and the end
        handle._obj.value = 7
        return 0

    def _RmRegisterResources(self, session: Any, count: int, paths: Any, *others: Any) -> int:  # noqa: N802 - Windows' name
        assert (7, (0, None, 0, None)) == (session.value, others)
        self.registered = [paths[index] for index in range(count)]
        return 0

    def _RmGetList(self, session: Any, needed: Any, length: Any, programs: Any, _reasons: Any) -> int:  # noqa: N802 - Windows' name
        assert session.value == 7
        room, needed._obj.value = length._obj.value, len(self._programs)
        if self._grows:
            self._grows -= 1
            self._programs.append((1000 + self._grows, "Late.exe"))
        if room < needed._obj.value:
            return MORE_DATA
        for index, (pid, name) in enumerate(self._programs[:room]):
            programs[index].pid, programs[index].application = pid, name
        length._obj.value = len(self._programs[:room])
        return 0

    def _RmEndSession(self, session: Any) -> int:  # noqa: N802 - Windows' name
        assert session.value == 7
        return 0


def test_the_layout_of_the_structure() -> None:
    """It is as long as that of restartmanager.h: 668 bytes, where a character has two."""
    assert 28 + (256 + 64) * ctypes.sizeof(ctypes.c_wchar) == ctypes.sizeof(ProcessInfo)


def test_the_sequence_of_calls() -> None:
    """A session, the file, the length of the list, the list, and the end of the session."""
    library = Library([(4711, "Visual Studio Code"), (os.getpid(), "ourselves"), (12, "OneDrive")])
    assert ("Visual Studio Code (process 4711)", "OneDrive (process 12)") == holders(FILE, library)
    assert [str(FILE)] == library.registered
    assert ["RmStartSession", "RmRegisterResources", "RmGetList", "RmGetList", "RmEndSession"] == library.calls


def test_nobody_is_named() -> None:
    """An empty list is no error; Wine returns one."""
    library = Library()
    assert () == holders(FILE, library)
    assert "RmEndSession" == library.calls[-1]


@pytest.mark.parametrize("call", ["RmStartSession", "RmRegisterResources", "RmGetList"])
def test_a_call_that_fails_names_nobody(call: str) -> None:
    """The refusal has no name then; a session that was started is ended."""
    library = Library([(4711, "Editor")], fails=call)
    assert () == holders(FILE, library)
    assert ("RmEndSession" in library.calls) is (call != "RmStartSession")


@pytest.mark.parametrize(("grows", "count"), [(1, 2), (9, 0)])
def test_a_list_that_grows(grows: int, count: int) -> None:
    """A program that opens the file meanwhile is named; a list that never stands still names nobody."""
    library = Library([(4711, "Editor")], grows=grows)
    assert count == len(holders(FILE, library))
    assert 3 >= library.calls.count("RmGetList")
    assert "RmEndSession" == library.calls[-1]
