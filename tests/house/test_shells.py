"""Every command of the documents can be typed into PowerShell too: as it stands, or from the block beside it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.source import REPOSITORY
from tests.powershell import Shell, blocks, parse

GUIDES = tuple(f".codex/{name}.md" for name in ("INSTALL", "UPDATE", "SET_UPSTREAM", "UNINSTALL"))
PAGES = ("README.md", "SKILL.md", "docs/guide.md", "docs/troubleshooting.md", *GUIDES)

# Blocks that are for Linux alone, and the sentence before them that says so.
LINUX_ONLY = {"python3 -m venv .venv && .venv/bin/pip install -q nox && .venv/bin/nox\n": ", on Linux:\n\n```bash\n"}

_POSIX = re.compile(r"(^|\s)(export|source|python3|sudo|chmod|\.)\s|/bin/|\\$")


@pytest.mark.parametrize("page", PAGES)
def test_powershell_takes_every_line(page: str) -> None:
    """A line of a block for PowerShell, or for both shells, is in the part of the language that tests can run."""
    refused = []
    for block in blocks(page):
        if block.bash in LINUX_ONLY:
            continue
        for line in block.powershell.splitlines():
            try:
                parse(line)
            except ValueError as error:
                refused.append(str(error))
    assert [] == refused


@pytest.mark.parametrize("page", PAGES)
def test_a_shared_block_needs_no_posix_system(page: str) -> None:
    """A path or program that Windows does not have stands in a block that PowerShell has its own for."""
    shared = [block.bash for block in blocks(page) if block.is_shared and block.bash not in LINUX_ONLY]
    assert [] == [line for text in shared for line in text.splitlines() if _POSIX.search(line)]


def test_what_is_for_linux_alone_says_so() -> None:
    """The sentence before the block names the system."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [] == [block for block, opening in LINUX_ONLY.items() if f"{opening}{block}" not in text]


@pytest.mark.parametrize(
    "line",
    [
        "first && second",
        "first || true",
        "first; second",
        "first | second",
        "first > file",
        "first a,b",
        "first `",
        "first @list",
        "first $(second)",
        "first -a.b",
        "first -I:x",
        "git clone url ~/place",
        "rm -rf place",
        "curl address",
        "NAME=value program",
        '"C:\\a program" word',
        "$NAME = value",
        "cd a b",
        "Copy-Item one",
        'program "half',
    ],
)
def test_what_only_one_shell_takes_is_refused(line: str) -> None:
    """Neither what PowerShell does not know, nor what it takes for something else."""
    with pytest.raises(ValueError, match=r"."):
        parse(line)


def test_the_pages_are_read() -> None:
    """The checks above see shared blocks, blocks of two shells, and a block for Windows alone."""
    assert any(block.is_shared for block in blocks("docs/guide.md"))
    assert any(not block.bash for block in blocks("docs/guide.md"))
    assert any(block.bash and not block.is_shared for block in blocks(".codex/UNINSTALL.md"))


def test_a_session_keeps_folder_and_variables(tmp_path: Path) -> None:
    """Each statement has the effect that PowerShell's has, and a program sees what the statements before it made."""
    (tmp_path / "tools").mkdir()
    program = tmp_path / "tools" / ("program.exe" if sys.platform == "win32" else "program")
    program.write_text("")
    program.chmod(0o755)
    started: list[tuple[list[str], Path, str]] = []
    kept: dict[str, str] = {}

    def run(words: list[str], folder: Path, environ: Mapping[str, str]) -> int:
        started.append((words, folder, environ.get("KEY", "")))
        return 2

    shell = Shell(
        folder=tmp_path,
        environ={"PATH": "", "USERPROFILE": str(tmp_path), "FILE": program.name},
        run=run,
        lasting=kept.__setitem__,
    )
    lines = """
# a comment
$URL = "https://relay.example/v1"
$env:KEY = 'it stands $URL'
$env:PATH = "$PWD/tools"
[Environment]::SetEnvironmentVariable("KEPT", "value", "User")
cd ~/tools
Copy-Item "$env:FILE" ~/copy
Copy-Item "$env:FILE" ~/copy.2
$LAST = (Get-ChildItem ~/copy* | Sort-Object Name | Select-Object -Last 1).FullName
program --base "$URL" -- "$env:KEY" "$LAST" plain   # exit 2
& "$HOME/tools/program"
cd ~
Remove-Item -Recurse -Force tools
"""
    codes = [shell.type_in(line) for line in lines.splitlines()]
    words = ["--base", "https://relay.example/v1", "--", "it stands $URL", str(tmp_path / "copy.2"), "plain"]
    assert [words, []] == [rest for (_, *rest), _, _ in started]
    assert {str(program).lower()} == {str(Path(name)).lower() for (name, *_), _, _ in started}
    assert {"it stands $URL"} == {key for _, _, key in started}
    assert {tmp_path / "tools"} == {folder for _, folder, _ in started}
    assert [2, 2] == [code for code in codes if code]
    assert {"KEPT": "value"} == kept
    assert not program.exists()
    with pytest.raises(FileNotFoundError):
        shell.type_in("missing")
