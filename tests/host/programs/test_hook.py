"""The program of a hook: read from its line, and tried."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cfp.codex.hook_command import posix_line, program_of, windows_line, words_of
from cfp.core.program import READ_DESPITE_I, program_words
from cfp.host.programs.hook import broken_program, missing_program

PROGRAMS = ("/opt/py thon/bin/python", "C:\\Program Files\\O'Brien\u2019s\\python.exe", r"C:\py\python.exe")
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("user_base", ["", "/home/user/.local"])
def test_the_program_of_each_line_that_we_write(program: str, user_base: str) -> None:
    """Of this version's two forms on each system, whatever the path."""
    words = (*program_words(program, user_base), "autostart", "--codex-home", r"C:\a b\c", "--quiet")
    unset = [word for name in READ_DESPITE_I for word in ("-u", name)]
    for line in (
        posix_line(words),
        posix_line(("/usr/bin/env", *unset, *words)),
        windows_line(words, POWERSHELL, unset=READ_DESPITE_I),
    ):
        assert program == program_of(line)
        assert words == words_of(line)[-len(words) :]


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("/opt/python -P -m codex_fast_proxy autostart --quiet", "/opt/python"),
        (r'"C:\Program Files\python.exe" -P -m codex_fast_proxy autostart', r"C:\Program Files\python.exe"),
        ("env A=1 /opt/python -m codex_fast_proxy autostart", "/opt/python"),
        ("'unclosed python", "'unclosed"),
        ("", ""),
    ],
)
def test_the_program_of_other_lines(line: str, program: str) -> None:
    """Of earlier versions, and of people who edited one."""
    assert program == program_of(line)


def _hook(program: str) -> str:
    words = (program, "-I", "-m", "codex_fast_proxy", "autostart", "--quiet")
    return windows_line(words, POWERSHELL) if sys.platform == "win32" else posix_line(words)


def test_a_program_that_starts() -> None:
    """This very Python has this program; one hook that works is enough."""
    assert broken_program([_hook(sys.executable)]) is None
    assert broken_program([_hook("/gone/python"), _hook(sys.executable)]) is None
    assert broken_program([]) is None
    assert missing_program([]) is None


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    """It is named; nothing is started for that."""
    gone = str(tmp_path / "bin" / "python")
    for broken in (broken_program([_hook(gone)]), missing_program([_hook(gone)])):
        assert broken is not None
        assert (gone, "is not there any more") == (broken.path, broken.reason)


def test_a_python_without_this_program(tmp_path: Path) -> None:
    """Its last line says why; the line that starts this very program is not tried."""
    fake = tmp_path / ("python.cmd" if sys.platform == "win32" else "python")
    fake.write_text(
        "@exit /b 3\n" if sys.platform == "win32" else "#!/bin/sh\necho 'No module named cfp' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    line = _hook(str(fake))
    broken = broken_program([line])
    assert broken is not None
    assert broken.reason.startswith("does not start this program")
    assert broken_program([line], known_good=line) is None
    assert missing_program([line]) is None


@pytest.mark.posix("the right to run a file")
def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    """A file without the right to be run."""
    (tmp_path / "python").write_text("")
    broken = missing_program([_hook(str(tmp_path / "python"))])
    assert broken is not None
    assert broken.reason == "cannot be run"
