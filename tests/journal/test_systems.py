"""The file operations of each system: its own calls, with their flags. What no test runs is held by its contract."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.posix("the parts of Linux, macOS and other POSIX systems")

if os.name == "posix":
    from journal._linux import LinuxFs, renameat2_of
    from journal._macos import MacosFs
    from journal._posix import PosixFs

F_FULLFSYNC, RENAME_SWAP, RENAME_EXCL = 51, 2, 4  # sys/fcntl.h and sys/stdio.h of macOS


class Library:
    """The C library of macOS: it records each rename, and performs what the flag says."""

    def __init__(self, code: int = 0) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.code = code

    def renamex_np(self, source: bytes, target: bytes, flag: int) -> int:
        self.calls.append((os.fsdecode(source), os.fsdecode(target), flag))
        ctypes.set_errno(self.code)
        return -1 if self.code else 0


def fsynced(code: int, path: Path) -> list[int]:
    """Call MacosFs.fsync with a kernel that answers F_FULLFSYNC with this error; return the requests it got."""
    requests: list[int] = []

    def control(fd: int, request: int) -> int:
        requests.append(request)
        if code:
            raise OSError(code, os.strerror(code))
        return 0

    fs = MacosFs(control=control)
    fd = fs.create(path, 0o600)
    try:
        fs.fsync(fd)
    finally:
        fs.close(fd)
    return requests


def test_macos_asks_the_drive_itself(tmp_path: Path) -> None:
    """A file and a folder are synced by F_FULLFSYNC; where the file system lacks it, by fsync."""
    assert [F_FULLFSYNC] == fsynced(0, tmp_path / "1")
    assert [F_FULLFSYNC] == fsynced(errno.ENOTSUP, tmp_path / "2")
    requests: list[int] = []
    MacosFs(control=lambda fd, request: requests.append(request) or 0).fsync_folder(tmp_path)
    assert [F_FULLFSYNC] == requests


def test_macos_does_not_hide_a_failing_drive(tmp_path: Path) -> None:
    """An error of the drive is raised, and never followed by a second fsync that may report success."""
    with pytest.raises(OSError, match="Input/output"):
        fsynced(errno.EIO, tmp_path / "1")


def test_macos_exchanges_by_renamex_np(tmp_path: Path) -> None:
    """An exchange has RENAME_SWAP, a rename to a free name RENAME_EXCL."""
    library = Library()
    fs, one, two = MacosFs(library=lambda: library), tmp_path / "1", tmp_path / "2"
    assert fs.exchange(one, two)
    fs.move_new(one, two)
    assert [(str(one), str(two), RENAME_SWAP), (str(one), str(two), RENAME_EXCL)] == library.calls


@pytest.mark.parametrize("library", [Library(errno.ENOTSUP), SimpleNamespace()], ids=["not supported", "too old"])
def test_macos_without_such_renames(library: object, tmp_path: Path) -> None:
    """Nothing is exchanged where macOS is too old or the file system lacks it, and a link keeps a name free."""
    fs, one, two = MacosFs(library=lambda: library), tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")
    assert not fs.exchange(one, two)
    fs.move_new(one, two)
    assert (["2"], b"1") == (os.listdir(tmp_path), two.read_bytes())


def test_macos_names_the_reason_of_a_failed_rename(tmp_path: Path) -> None:
    """Any other error of renamex_np is raised with its number."""
    library = Library(errno.EEXIST)
    with pytest.raises(FileExistsError):
        MacosFs(library=lambda: library).move_new(tmp_path / "1", tmp_path / "2")


def test_linux_with_an_older_c_library() -> None:
    """A C library older than glibc 2.28 has no renameat2."""
    assert renameat2_of(SimpleNamespace()) is None


def test_linux_without_an_exclusive_rename(tmp_path: Path) -> None:
    """A link keeps a name free where kernel or file system lacks it."""
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"1")

    class Older(LinuxFs):
        def _rename(self, source: Path, target: Path, flag: int) -> bool:
            return False

    Older().move_new(one, two)
    assert (["2"], b"1") == (os.listdir(tmp_path), two.read_bytes())


def test_a_file_system_without_attributes(tmp_path: Path) -> None:
    """It has none to keep; any other error is raised."""

    class Refusing(LinuxFs):
        code = errno.EOPNOTSUPP

        def _attributes(self, path: Path) -> list[str]:
            raise OSError(self.code, os.strerror(self.code))

    fs = Refusing()
    assert {} == fs.xattrs(tmp_path)
    fs.code = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        fs.xattrs(tmp_path)


def test_other_systems(tmp_path: Path) -> None:
    """A POSIX system that is neither keeps no attributes, reserves nothing and exchanges nothing."""
    fs, one = PosixFs(), tmp_path / "1"
    fd = fs.create(one, 0o600)
    fs.reserve(fd, 100)
    fs.fsync(fd)
    for refused in (lambda: fs.set_xattr(fd, "user.a", b"1"), lambda: fs.drop_xattr(fd, "user.a")):
        with pytest.raises(OSError, match="not supported"):
            refused()
    fs.close(fd)
    assert (0, {}, False) == (one.stat().st_size, fs.xattrs(one), fs.exchange(one, tmp_path / "2"))
    fs.require_free(one)
