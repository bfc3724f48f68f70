"""The places where a Codex home may lie, and doctor's words on other systems of the computer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.installation import home_place
from cfp.errors import Refused
from cfp.places import LONGEST_HOME, Place, check_place
from tests.facts import facts

DRIVE = r"C:\Users\me\.codex"
MACHINE = DoctorFacts(python="3.11.0")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place(path=DRIVE, system="windows"), None),
        (Place(path=r"\\server\homes\me\.codex", system="windows"), "home_on_network"),
        (Place(path=r"\\wsl$\Ubuntu\home\me\.codex", system="windows"), "home_in_wsl"),
        (Place(path=r"\\wsl.localhost\Ubuntu\home\me\.codex", system="windows"), "home_in_wsl"),
        (Place(path=DRIVE.ljust(LONGEST_HOME, "x"), system="windows"), None),
        (Place(path=DRIVE.ljust(LONGEST_HOME + 1, "x"), system="windows"), "home_path_too_long"),
        (Place(path="/home/me/.codex", system="wsl", file_system="ext4"), None),
        (Place(path="/home/me/.codex", system="wsl", file_system=""), None),
        (Place(path="/mnt/c/Users/me/.codex", system="wsl", file_system="9p"), "home_on_windows_drive"),
        (Place(path="/mnt/c/Users/me/.codex", system="wsl", file_system="drvfs"), "home_on_windows_drive"),
        (Place(path="/mnt/c/Users/me/.codex", system="wsl", file_system="virtiofs"), "home_on_windows_drive"),
        (Place(path="/home/me/" + 300 * "x", system="wsl", file_system="ext4"), None),
        (Place(path="/home/me/" + 300 * "x"), None),
    ],
)
def test_places(place: Place, expected: str | None) -> None:
    """A local disk of this very system takes an install; doctor fails by the code that refuses it."""
    assert expected == place.refusal
    check = home_place(facts(), replace(MACHINE, place=place))
    if expected is None:
        check_place(place)
        assert (True, "ok") == (check.ok, check.code)
        return
    with pytest.raises(Refused) as refused:
        check_place(place)
    assert (expected, False, expected) == (refused.value.code, check.ok, check.code)
    assert place.path == refused.value.details["path"]


@pytest.mark.parametrize(
    ("place", "beside"),
    [
        (Place(path="/home/me/.codex", system="wsl", file_system="ext4"), "/mnt/c/Users/me/.codex"),
        (Place(path=DRIVE, system="windows"), "Ubuntu-24.04"),
    ],
)
def test_two_systems_are_two_homes(place: Place, beside: str) -> None:
    """Doctor passes, names the other one, and says what it takes to have the proxy there too."""
    alone, both = (home_place(facts(), replace(MACHINE, place=place, beside=more)) for more in ((), (beside,)))
    assert (True, True) == (alone.ok, both.ok)
    assert beside not in alone.detail
    assert beside in both.detail
    assert "port of its own" in both.detail
    assert [beside] == both.evidence["beside"]
