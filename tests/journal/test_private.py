"""Files and folders that their user alone can read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from journal import private
from tests.access import give_to_all, others_may_read


def test_a_new_log_is_private(tmp_path: Path) -> None:
    """No other user can read a log, also where the folder lets everybody in."""
    give_to_all(tmp_path)
    os.close(private.append_to(tmp_path / "log"))
    assert not others_may_read(tmp_path / "log")


def test_a_log_that_others_can_read_is_made_private(tmp_path: Path) -> None:
    """A log of an earlier version becomes private when it is opened, and keeps its lines."""
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    give_to_all(log)
    assert others_may_read(log)
    with os.fdopen(private.append_to(log), "ab") as file:
        file.write(b"two\n")
    assert not others_may_read(log)
    assert log.read_bytes() == b"one\ntwo\n"


def test_each_write_goes_to_the_end(tmp_path: Path) -> None:
    """Two programs that append to one log overwrite nothing of each other."""
    log = tmp_path / "log"
    first, second = private.append_to(log), private.append_to(log)
    for number in range(10):
        os.write((first, second)[number % 2], b"%d\n" % number)
    os.close(first)
    os.close(second)
    assert log.read_bytes().split() == [b"%d" % number for number in range(10)]


def test_an_open_log_can_be_renamed_and_removed(tmp_path: Path) -> None:
    """An open log does not keep another program from rotating it."""
    descriptor = private.append_to(tmp_path / "log")
    (tmp_path / "log").rename(tmp_path / "log.1")
    os.write(descriptor, b"late\n")
    assert (tmp_path / "log.1").read_bytes() == b"late\n"
    (tmp_path / "log.1").unlink()
    os.close(descriptor)


def test_a_folder_is_private(tmp_path: Path) -> None:
    """A new folder is private, and an existing one is refused as by mkdir."""
    private.make_folder(tmp_path / "folder")
    assert not others_may_read(tmp_path / "folder")
    with pytest.raises(FileExistsError):
        private.make_folder(tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        private.make_folder(tmp_path / "none" / "folder")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_exists_can_be_made_private(tmp_path: Path, kind: str) -> None:
    """Others lose their rights, the user keeps all of them, and a second call changes nothing."""
    path = tmp_path / kind
    path.mkdir() if kind == "folder" else path.write_bytes(b"text")
    give_to_all(path)
    for _ in range(2):
        private.make_private(path)
        assert not others_may_read(path)
    assert os.access(path, os.R_OK | os.W_OK)


@pytest.mark.posix("a symbolic link needs a privilege on Windows")
def test_a_link_is_left_alone(tmp_path: Path) -> None:
    """A file that a link leads to is not ours."""
    target = tmp_path / "target"
    target.write_bytes(b"text")
    give_to_all(target)
    (tmp_path / "link").symlink_to(target)
    private.make_private(tmp_path / "link")
    assert others_may_read(target)


def test_a_missing_file_cannot_be_made_private(tmp_path: Path) -> None:
    """The error is that of the system."""
    with pytest.raises(FileNotFoundError):
        private.make_private(tmp_path / "none")


if sys.platform == "win32":
    from journal import _private_windows as windows

    def test_a_file_is_private_before_anything_is_done_to_it(tmp_path: Path) -> None:
        """The access list is there from the call that makes the file, so there is no instant without it."""
        handle = windows.open_handle(
            tmp_path / "file", windows.APPEND_DATA, windows.OPEN_ALWAYS, windows.ATTRIBUTE_NORMAL, private=True
        )
        windows.close(handle)
        assert not others_may_read(tmp_path / "file")

    def test_the_access_list_inherits_nothing() -> None:
        """It is protected, and names the user, SYSTEM and Administrators alone; a folder passes it on."""
        assert "D:P(A;;FA;;;S-1)(A;;FA;;;SY)(A;;FA;;;BA)" == windows.private_sddl("S-1", folder=False)
        assert "D:P(A;OICI;FA;;;S-1)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)" == windows.private_sddl("S-1", folder=True)
