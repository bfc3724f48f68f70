"""Parts of Windows are named when they are missing, made anew when they are old, and do not lead to the real home."""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from pathlib import Path

import pytest

from tests.systems import IN_WINE
from tests.windows import toolchain, wine

if sys.platform == "win32":
    from journal import _win32

PINNED = json.loads((toolchain.REPOSITORY / ".ci" / "codex" / "package.json").read_text())["dependencies"][
    "@openai/codex"
]


def test_one_codex_is_tested_on_every_system() -> None:
    """codex.exe is of the version that is pinned for Linux."""
    assert f"@openai/codex@{PINNED}-win32-x64" == toolchain.PARTS["codex"]["package"]


@pytest.mark.parametrize(
    ("absent", "clause"), [("wine", "wine64"), ("x86_64", "mingw-w64"), ("npm", "npm"), ("python", "CPython 3.11")]
)
def test_each_missing_tool_is_named(absent: str, clause: str) -> None:
    """A clause for each tool that this machine lacks, and none for those that it has."""

    def which(name: str) -> str | None:
        if "python" in name:
            return sys.executable if absent != "python" else None
        return None if absent in name else name

    clauses = list(toolchain.missing(which, "" if absent == "python" else sys.executable))
    expected = [clause] if absent == "python" or sys.version_info[:2] == (3, 11) else [clause, "CPython 3.11"]
    assert len(expected) == len(clauses)
    assert all(part in whole for part, whole in zip(expected, clauses, strict=True))


def test_a_part_is_made_when_it_is_not_there_whole_or_made_of_something_else(tmp_path: Path) -> None:
    """The stamp is written last: what was interrupted is made again, as is what has other sources."""
    stamp, made = tmp_path / "stamp", []

    def interrupted() -> None:
        raise KeyboardInterrupt

    toolchain._unless_current(stamp, ["a"], lambda: made.append("first"))
    toolchain._unless_current(stamp, ["a"], lambda: made.append("again"))
    with pytest.raises(KeyboardInterrupt):
        toolchain._unless_current(stamp, ["a", "b"], interrupted)
    assert not stamp.exists()
    toolchain._unless_current(stamp, ["a", "b"], lambda: made.append("second"))
    assert ["first", "second"] == made


@pytest.mark.skipif(not IN_WINE, reason="other systems are asked by Python itself")
def test_python_sees_a_file_as_wine_shows_it(tmp_path: Path) -> None:
    """Python gets the same answers from python.exe as from Wine: size, time, links and the number of the file."""
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    file.with_name("second name").hardlink_to(file)
    file.chmod(0o444)
    attributes, *times, _, size_high, size, links, number_high, number = _shown_by_wine(file)
    seen = file.stat()
    written = times[4] | times[5] << 32  # in 100 ns since 1601
    assert (seen.st_file_attributes, seen.st_mtime_ns // 100 + 116_444_736_000_000_000) == (attributes, written)
    assert (seen.st_nlink, seen.st_ino) == (links, number_high << 32 | number)
    assert seen.st_size == size_high << 32 | size


def _shown_by_wine(path: Path) -> tuple[int, ...]:
    """Return the 13 numbers of a BY_HANDLE_FILE_INFORMATION."""
    library, shown = ctypes.WinDLL("kernel32"), ctypes.create_string_buffer(13 * 4)
    handle = _win32.open_handle(path, _win32.READ, _win32.SHARE_ALL, _win32.OPEN_EXISTING)
    try:
        assert library.GetFileInformationByHandle(ctypes.c_void_p(handle), shown)
    finally:
        _win32.close_handle(handle)
    return struct.unpack("<13I", shown.raw)


@pytest.mark.posix("the folders of Wine, seen from outside")
def test_the_real_home_is_not_in_the_prefix(tmp_path: Path) -> None:
    """Links of the user's folders become folders; the home behind them is as before."""
    home, user = tmp_path / "home", tmp_path / "prefix" / "drive_c" / "users" / "root"
    (home / ".codex").mkdir(parents=True)
    (user / "AppData" / "Roaming" / "Microsoft" / "Windows").mkdir(parents=True)
    links = (user / "Documents", user / "AppData" / "Roaming" / "Microsoft" / "Windows" / "Templates")
    for link in links:
        link.symlink_to(home)
    wine._shut_out_the_real_home(tmp_path / "prefix")
    assert all(link.is_dir() and not link.is_symlink() and not any(link.iterdir()) for link in links)
    assert (home / ".codex").is_dir()
