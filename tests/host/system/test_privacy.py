"""Files that others may read are found, and made private."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfp.host.system.files.privacy import close_to_others, open_to_others, readers
from tests.access import give_to_all, others_may_read


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach, unlike the one of pytest."""
    path = Path(tempfile.mkdtemp())
    give_to_all(path)
    yield path
    shutil.rmtree(path)


def test_an_open_file_is_found(folder: Path) -> None:
    """It is named with those who may read it; a private one beside it is not."""
    for name in ("open", "private"):
        (folder / name).write_bytes(b"key")
        give_to_all(folder / name)
    close_to_others([folder / "private"])
    assert ("Everyone",) == open_to_others([folder])[folder / "open"]
    assert folder / "private" not in open_to_others([folder])


def test_open_files_are_made_private(folder: Path) -> None:
    """Nothing is left to find, the content stays, and a missing folder is no error."""
    (folder / "file").write_bytes(b"key")
    give_to_all(folder / "file")
    close_to_others([folder, folder / "none"])
    assert {} == open_to_others([folder, folder / "none"])
    assert not others_may_read(folder / "file")
    assert b"key" == (folder / "file").read_bytes()


def test_a_missing_file_has_no_readers(folder: Path) -> None:
    """A Codex home without auth.json is no finding."""
    assert () == readers(folder / "none")


@pytest.mark.posix("on Windows a file below a closed folder can be opened by its full path")
def test_a_closed_folder_protects_its_files(folder: Path) -> None:
    """A file of mode 0644 below a folder of mode 0700 can be read by nobody else."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_bytes(b"key")
    give_to_all(closed / "file")
    assert () == readers(closed / "file")


if sys.platform == "win32":
    import ctypes

    from cfp.core.access.readers import readers as judge
    from journal import _private_windows as windows

    def _bytes_of(sddl: str) -> bytes:
        """The descriptor that Windows itself makes of a text."""
        pointer = windows.descriptor_of(sddl)
        length = ctypes.WinDLL("advapi32").GetSecurityDescriptorLength
        length.argtypes = [ctypes.c_void_p]
        return ctypes.string_at(pointer, length(pointer))

    @pytest.mark.parametrize(
        ("rights", "expected"),
        [
            ("D:AI(A;ID;FA;;;{me})(A;ID;FA;;;SY)(A;ID;FA;;;BA)", ()),
            ("D:AI(A;ID;FA;;;{me})(A;ID;0x1200a9;;;BU)", ("S-1-5-32-545",)),
            ("D:AI(A;ID;FA;;;{me})(A;ID;FR;;;AU)(A;ID;FR;;;WD)", ("S-1-5-11", "S-1-1-0")),
            ("D:PAI(A;OICI;FA;;;{me})(A;OICIIO;FR;;;BU)", ()),
            ("D:P(D;;FA;;;BU)(A;;FR;;;BU)", ()),
        ],
    )
    def test_lists_that_windows_itself_writes(rights: str, expected: tuple[str, ...]) -> None:
        """The judgement reads the bytes of the system's own descriptors; a folder's "Users: read" is found."""
        me = windows.user_sid()
        assert expected == judge(_bytes_of(f"O:{me}" + rights.format(me=me)), me)

    @pytest.mark.parametrize("folder_too", [False, True])
    def test_our_own_list(folder_too: bool) -> None:  # noqa: FBT001 - a parameter
        """The list that our files and folders get names nobody else."""
        me = windows.user_sid()
        assert () == judge(_bytes_of(f"O:{me}" + windows.private_sddl(me, folder=folder_too)), me)
