"""A file that is removed while another program has it open keeps its name on Windows until that program lets go."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

if sys.platform == "win32":
    from journal._windows import WindowsFs
    from tests.holding import DELETE, READ, WRITE, held

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="share modes of Windows")


def test_a_folder_waits_for_its_removed_files(tmp_path: Path) -> None:
    """It goes once the last handle does, and not before."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "log").write_bytes(b"x")
    with ExitStack() as other:
        fs = WindowsFs(sleep=lambda _: other.close())
        other.enter_context(held(folder / "log", READ | WRITE | DELETE))
        fs.unlink(folder / "log")
        fs.remove_folder(folder)
    assert not folder.exists()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_folder_with_something_in_it_is_not_waited_for(tmp_path: Path, what: str) -> None:
    """It stays at once, whether or not the file is open."""
    folder = tmp_path / "state"
    (folder / "sub").mkdir(parents=True)
    if what == "file":
        (folder / "sub").rmdir()
        (folder / "sub").write_bytes(b"mine")
    waits: list[float] = []
    with pytest.raises(OSError, match=r"."):
        WindowsFs(sleep=waits.append).remove_folder(folder)
    assert ([], True) == (waits, (folder / "sub").exists())
