"""kill -9 in the middle of a real `install` or `uninstall`: no half switch, and one `recover` settles it.

strace kills the program when it enters one chosen system call that changes something. Every change lies between
two such points, so walking all of them (the deep profile does) is walking every crash that a process can have;
the everyday run takes a few, spread evenly.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass

import pytest

from tests.conftest import PROFILE
from tests.end_to_end.harness import BACKUPS, JOURNAL, Machine, Ran, api_key_login

_CHANGING = (
    *("write", "fsync", "fdatasync", "ftruncate", "mkdir", "mkdirat", "rmdir"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("vfork", "clone", "clone3", "kill", "pidfd_send_signal"),
)
_EVERYDAY = 8  # points for each verb

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@dataclass(frozen=True, slots=True)
class Point:
    """The n-th time that a system call is entered."""

    call: str
    nth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What the user's files are before and after a switch; nothing else may ever be seen."""

    off: dict[str, bytes | None]
    on: dict[str, bytes | None]


def _words(machine: Machine, verb: str) -> tuple[str, ...]:
    return ("install", "--start", "--port", str(machine.port)) if verb == "install" else ("uninstall",)


def _traced(machine: Machine, verb: str, *options: str) -> Ran:
    command = ["strace", "-qq", "-o", str(machine.root / "trace"), *options]
    program = [sys.executable, "-P", "-m", "codex_fast_proxy", *_words(machine, verb)]
    return machine.run([*command, *program], timeout=120)


def _all_points(machine: Machine, verb: str) -> list[Point]:
    """Run a verb to its end and return every point at which it could have been killed."""
    names = ",".join(f"?{call}" for call in _CHANGING)
    ran = _traced(machine, verb, "-e", f"trace={names}", "-e", "signal=none")
    assert ran.code == 0, ran.told
    seen: dict[str, int] = {}
    points = []
    for line in (machine.root / "trace").read_text().splitlines():
        match = re.match(r"(\w+)\(", line)
        if match:
            call = match[1]
            seen[call] = seen.get(call, 0) + 1
            points.append(Point(call, seen[call]))
    return points


def _some(points: list[Point]) -> list[Point]:
    """All points in the deep profile, else a few: the first, the last and some between."""
    if PROFILE == "deep" or len(points) <= _EVERYDAY:
        return points
    step = (len(points) - 1) / (_EVERYDAY - 1)
    return [points[round(index * step)] for index in range(_EVERYDAY)]


def _kill_at(machine: Machine, verb: str, point: Point) -> bool:
    """Run a verb and kill it at a point; False where this run never got there."""
    ran = _traced(
        machine, verb, "-e", f"trace={point.call}", "-e", f"inject={point.call}:signal=KILL:when={point.nth}"
    )
    assert ran.code in {0, -9, 137}, ran.told
    return ran.code != 0


def _user_files(machine: Machine) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.exists() else None for path in (machine.config, machine.hooks)}


def _precious(machine: Machine) -> dict[str, tuple[int, bytes]]:
    return {name: entry for name, entry in machine.files().items() if not name.startswith(BACKUPS)}


def _assert_no_half(machine: Machine, images: Images, point: Point) -> None:
    """Each file is wholly old or wholly new, and the config is never the first of them to be switched."""
    now = _user_files(machine)
    for name, content in now.items():
        assert content in {images.off[name], images.on[name]}, (point, name, content)
    if now["config.toml"] == images.on["config.toml"]:
        assert images.on["hooks.json"] == now["hooks.json"], point


def _assert_settled(machine: Machine, images: Images, point: Point) -> None:
    """After `recover` the home is off with nothing running, or on with one healthy worker; never between."""
    recovered = machine.cfp("recover")
    assert recovered.code == 0, (point, recovered.told)
    status = machine.cfp("status").json
    now = _user_files(machine)
    if now == images.off:
        assert [] == machine.workers(), (point, recovered.told)
    else:
        assert images.on == now, point
        assert ("running", True) == (status["status"], status["healthy"]), (point, status)
        assert 1 == len(machine.workers()), point
    assert not [path for path in (machine.home / JOURNAL).glob("*") if path.suffix == ".tx"], point


def _furnish(machine: Machine) -> Images:
    machine.relay()
    machine.write("auth.json", api_key_login())
    off = _user_files(machine)
    machine.install()
    on = _user_files(machine)
    return Images(off=off, on=on)


def test_a_killed_install(machine: Machine) -> None:
    """Killed anywhere, an install leaves a home that works, that one recover settles and a new install takes."""
    images = _furnish(machine)
    assert 0 == machine.cfp("uninstall").code
    before = _precious(machine)
    points = _all_points(machine, "install")
    assert 0 == machine.cfp("uninstall").code
    assert before == _precious(machine)
    killed = 0
    for point in _some(points):
        killed += _kill_at(machine, "install", point)
        _assert_no_half(machine, images, point)
        _assert_settled(machine, images, point)
        assert "installed" == machine.install().json["status"]
        assert 0 == machine.cfp("uninstall").code
        assert before == _precious(machine), point
        assert [] == machine.workers(), point
    assert killed > len(_some(points)) * 0.8  # the very last ones may be numbered otherwise in another run


def test_a_killed_uninstall(machine: Machine) -> None:
    """Killed anywhere, an uninstall leaves a home that works, and a second one ends it with every byte back."""
    images = _furnish(machine)
    points = _all_points(machine, "uninstall")
    before = _precious(machine)
    killed = 0
    for point in _some(points):
        machine.install()
        killed += _kill_at(machine, "uninstall", point)
        _assert_no_half(machine, images, point)
        recovered = machine.cfp("recover")
        assert recovered.code == 0, (point, recovered.told)
        again = machine.cfp("uninstall")
        assert again.code == 0, (point, again.told)
        assert before == _precious(machine), point
        assert [] == machine.workers(), point
    assert killed > len(_some(points)) * 0.8


def test_killed_and_not_recovered(machine: Machine) -> None:
    """Who does not know of `recover` loses nothing: the next command repairs first, and says so."""
    _furnish(machine)
    assert 0 == machine.cfp("uninstall").code
    before = _precious(machine)
    renames = [point for point in _all_points(machine, "install") if point.call.startswith("rename")]
    assert 0 == machine.cfp("uninstall").code
    assert _kill_at(machine, "install", renames[-1])
    assert (machine.home / JOURNAL).exists()
    again = machine.install()
    assert again.json["recovered"], again.told
    assert 0 == machine.cfp("uninstall").code
    assert before == _precious(machine)
