"""The room that is kept for a full disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cfp.errors import Failed
from cfp.host.reserve import FILES, Reserve, with_room
from cfp.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.worker.mkdir(parents=True)
    return made


def sizes(layout: Layout) -> list[int]:
    return [path.stat().st_size for path in layout.worker.iterdir()]


def full(number: int = errno.ENOSPC) -> Failed:
    return Failed("storage_failed", path="x", reason="full", errno=number)


def test_it_keeps_and_releases(layout: Layout) -> None:
    """Twice is once; larger files get more; nothing is left of it, and a second release makes no room."""
    reserve = Reserve(layout)
    reserve.keep()
    reserve.keep()
    assert (FILES, {8192}) == (len(sizes(layout)), set(sizes(layout)))
    reserve.keep(600_000)
    assert 2 * 600_000 <= sum(sizes(layout))
    assert [True, False] == [reserve.release(), reserve.release()]
    assert [] == sizes(layout)


def test_it_makes_no_folder(tmp_path: Path) -> None:
    """After an uninstall there is none to keep room in."""
    Reserve(Layout(tmp_path)).keep()
    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_is_met_with_it(layout: Layout) -> None:
    """The act is repeated once, with the room free, and what is left is kept again."""
    reserve, seen = Reserve(layout), []
    reserve.keep()

    def act() -> str:
        seen.append(len(sizes(layout)))
        if seen == [FILES]:
            raise full()
        return "done"

    assert ("done", [FILES, 0], FILES) == (with_room(reserve, act), seen, len(sizes(layout)))


@pytest.mark.parametrize("error", [full(errno.EACCES), Failed("upstream_dns", host="h", reason="r")])
def test_another_failure_leaves_it(layout: Layout, error: Failed) -> None:
    """It is kept for a full disk alone."""
    reserve = Reserve(layout)
    reserve.keep()

    def act() -> None:
        raise error

    with pytest.raises(Failed):
        with_room(reserve, act)
    assert FILES == len(sizes(layout))


def test_a_disk_that_stays_full(layout: Layout) -> None:
    """The failure is that of the second time, and without any room there is no second time."""
    reserve, seen = Reserve(layout), []
    reserve.keep()

    def act() -> None:
        seen.append(1)
        raise full()

    with pytest.raises(Failed):
        with_room(reserve, act)
    assert 2 == len(seen)
    reserve.release()
    with pytest.raises(Failed):
        with_room(reserve, act)
    assert 3 == len(seen)
