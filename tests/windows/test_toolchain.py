"""Parts of Windows are named when they are missing, made anew when they are old, and do not lead to the real home."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.windows import toolchain, wine

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
