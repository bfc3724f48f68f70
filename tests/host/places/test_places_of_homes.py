"""The place of a home as the system shows it, and homes of other systems, by files and a registry of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cfp.host.places import _posix, _windows, read_place
from cfp.layout import Layout
from cfp.places import LONGEST_HOME, ROOM
from tests.homes.acts import Acts, Half
from tests.scenes import ENVIRON, INSTALL, plain
from tests.staged import Stage

WSL = "5.15.167.4-microsoft-standard-WSL2\n"
LINUX = "6.1.0-28-amd64\n"


@pytest.fixture
def computer(tmp_path: Path) -> Path:
    """A kernel's name, and the mounts of WSL: drive C: with three users, drive D: with a blank in its name."""
    (tmp_path / "osrelease").write_text(WSL)
    (tmp_path / "c" / "Users" / "me" / ".codex").mkdir(parents=True)
    (tmp_path / "c" / "Users" / "Public").mkdir()
    (tmp_path / "c" / "Users" / "desktop.ini").write_text("x")
    (tmp_path / "my d" / "Users" / "other" / ".codex").mkdir(parents=True)
    c, d = str(tmp_path / "c"), str(tmp_path / "my d").replace(" ", "\\040")
    (tmp_path / "mounts").write_text(
        f"/dev/sdc / ext4 rw 0 0\nnone /mnt/wsl tmpfs rw 0 0\nC:\\134 {c} 9p rw,aname=drvfs;path=C:\\134 0 0\n"
        f"D: {d} drvfs rw 0 0\nE:\\134 {tmp_path}/none 9p rw 0 0\nshare {c} 9p rw 0 0\nshort\n"
    )
    return tmp_path


def test_homes_of_windows_beside_wsl(computer: Path) -> None:
    """Each user's on each drive, where there is one; nothing outside of WSL, or without a list of mounts."""
    kernel, mounts = computer / "osrelease", computer / "mounts"
    expected = tuple(str(computer / end) for end in ("c/Users/me/.codex", "my d/Users/other/.codex"))
    assert expected == _posix.homes_beside(kernel=kernel, mounts=mounts)
    assert () == _posix.homes_beside(kernel=kernel, mounts=computer / "no mounts")
    kernel.write_text(LINUX)
    assert () == _posix.homes_beside(kernel=kernel, mounts=mounts)
    assert () == _posix.homes_beside(kernel=computer / "no kernel", mounts=mounts)


@pytest.mark.posix("the file system of a mount, from /proc")
def test_the_place_in_wsl(computer: Path) -> None:
    """The file system is read there, also for a home that is still missing; elsewhere the path is all."""
    kernel = computer / "osrelease"
    place = _posix.read_place(computer / "not yet" / ".codex", kernel=kernel)
    assert ("wsl", True, None) == (place.system, place.file_system != "", place.refusal)
    kernel.write_text(LINUX)
    assert ("other", "") == (_posix.read_place(computer, kernel=kernel).system, place.file_system[:0])


class Registry:
    """The part of winreg that lists the distributions of WSL."""

    HKEY_CURRENT_USER = "HKCU"

    def __init__(self, keys: dict[str, dict[str, Any]] | None) -> None:
        self._keys = keys

    @contextmanager
    def OpenKey(self, root: str, name: str) -> Iterator[Any]:  # noqa: N802 (the name is winreg's)
        if self._keys is None:
            raise FileNotFoundError(name)
        if root == "HKCU":
            assert name.endswith(r"CurrentVersion\Lxss")
            yield ""
        else:
            yield name

    def QueryInfoKey(self, key: str) -> tuple[int, int, int]:  # noqa: N802 (the name is winreg's)
        assert self._keys is not None
        return len(self._keys), len(self._keys.get(key, {})), 0

    def EnumKey(self, _key: str, index: int) -> str:  # noqa: N802 (the name is winreg's)
        assert self._keys is not None
        return list(self._keys)[index]

    def EnumValue(self, key: str, index: int) -> tuple[str, Any, int]:  # noqa: N802 (the name is winreg's)
        assert self._keys is not None
        return (*list(self._keys[key].items())[index], 1)


def test_linuxes_beside_windows() -> None:
    """By name, from the registry; those of Docker Desktop hold no user's home."""
    keys = {
        "{1}": {"DistributionName": "Ubuntu-24.04", "DefaultUid": 1000},
        "{2}": {"DistributionName": "docker-desktop"},
        "{3}": {"State": 1},
        "{4}": {"DistributionName": "Debian"},
    }
    assert ("Debian", "Ubuntu-24.04") == _windows.homes_beside(Registry(keys))
    assert () == _windows.homes_beside(Registry(None))


def test_a_home_of_this_machine_is_no_bad_place(tmp_path: Path) -> None:
    """A throw-away folder takes an install, whatever the system."""
    assert read_place(tmp_path).refusal is None


def test_the_place_on_windows(tmp_path: Path) -> None:
    """It is resolved, so that no other spelling of a share passes."""
    assert "windows" == _windows.read_place(tmp_path).system


class _Watching(Acts):
    """Every name below a home, as it is before each act."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.seen: set[str] = {str(Layout(Path()).control(32 * "f"))}  # of a real worker
        self._home = home

    def act(self, name: str, half: Half = lambda: None) -> None:
        super().act(name, half)
        self.seen.update(str(path.relative_to(self._home)) for path in self._home.rglob("*"))


def test_no_name_is_longer_than_the_room(tmp_path: Path) -> None:
    """Every name that an install or an uninstall makes below a home, if only for a moment, fits its room."""
    stage = Stage(root=tmp_path, environ=ENVIRON)
    stage.home.parent.mkdir(parents=True)
    plain(stage)
    acts = _Watching(stage.home)
    for words in (INSTALL, ("uninstall",)):
        assert 0 == stage.run(*words, acts=acts).code
    longest = max(acts.seen, key=len)
    assert ROOM // 2 < len(longest) < ROOM, longest
    assert LONGEST_HOME > 100
