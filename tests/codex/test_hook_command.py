"""A hook's line says the same to every shell that may run it, and is known as ours again."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.codex import hooks_document
from cfp.codex.hook_command import decoded, posix_line, powershell_path, windows_line
from cfp.core.plan.hook import hook_command
from cfp.core.program import READ_DESPITE_I, program_words
from tests.facts import facts
from tests.windows import shells
from tests.windows.shells import SHELLS, Shell

POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
OURS = ("-I", "-m", "codex_fast_proxy", "autostart", "--codex-home", r"C:\Users\me\.codex", "--quiet")
USER_SITE = program_words("python", r"C:\Users\me's\AppData\Roaming\Python")[1:]
PYTHONS = (
    r"C:\Python\python.exe",
    r"C:\Program Files\Python 3\python.exe",
    r"C:\Users\O'Brien\python.exe",
    "C:\\Users\\O\u2019Brien \u201cBob\u201d\\python.exe",
    r"C:\Users\Jörg\a&b\python.exe",
    r"C:\50%\$x`\python.exe",
    r"C:\%PATH%\!x!\python.exe",
    r"C:\a^b (x86)\{1}[2];,=@#\python.exe",
    r"\\server\share\python.exe",
)
# What a folder's name may have on Windows, with what a shell might take for something else oftener than letters.
NAMES = st.text(
    st.sampled_from("ab1 &%'^!()$`~=,;@#{}[]+-._\u2018\u2019\u201c\u201d\u2013äß中\u0301")
    | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='<>:"/\\|?*'),
    min_size=1,
    max_size=12,
)
FOLDERS = st.builds("{}\\{}".format, st.sampled_from(["C:", "d:", r"\\server\share"]), NAMES | st.just("a"))


def of_windows(words: tuple[str, ...]) -> str:
    return windows_line(words, POWERSHELL, unset=READ_DESPITE_I)


def arrived(line: str, shell: Shell) -> list[str]:
    """The argv of the program that the shell starts; for a PowerShell, of the program that its script starts."""
    words = _only(shell.lines(line))
    if words[0] != POWERSHELL:
        return words
    assert ["-NoProfile", "-NonInteractive", "-EncodedCommand"] == words[1:4]
    script = base64.b64decode(words[4]).decode("utf-16-le")
    return _only([" ".join(map(shells.wrapped, command)) for command in shells.powershell(script)])


def _only(lines: list[str]) -> list[str]:
    (line,) = lines
    return shells.argv(line)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell.name)
@given(FOLDERS, FOLDERS, st.none() | FOLDERS)
@example("C:\\Program Files\\Python", "C:\\Users\\O\u2019Brien\\.codex", None)
@example(r"C:\%PATH%", r"C:\a & b", r"C:\Users\me's\AppData\Roaming\Python")
@example(r"C:\Python", r"C:\$HOME`", None)
@example(r"C:\a=b", r"C:\a=b", None)
def test_every_word_arrives(shell: Shell, folder: str, home: str, user_base: str | None) -> None:
    """Through every shell, whatever folders interpreter, home and user's site are in."""
    words = program_words(rf"{folder}\python.exe", user_base or "")
    words = (*words, "autostart", "--codex-home", home, "--quiet")
    line = of_windows(words)
    assert list(words) == arrived(line, shell)
    assert not set(line) & set("\"'`$%&|<>^()@#;,{}!*?[]")
    assert words == tuple(shlex.split(posix_line(words)))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell.name)
def test_these_paths_arrive(python: str, shell: Shell) -> None:
    """Those that people have are among them."""
    words = (python, *OURS)
    assert list(words) == arrived(of_windows(words), shell)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_first_word_is_a_path(python: str) -> None:
    """By a bare name, cmd would look in the session's folder first, and PowerShell prints a text in quotes."""
    assert re.match(r"(C:|\\\\server)\\[\w\\.]+ ", of_windows((python, *OURS)))
    assert of_windows(("python.exe", *OURS)).startswith(POWERSHELL)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=1, max_size=6))
def test_the_models_split_as_windows_does(words: list[str]) -> None:
    """The model of the C runtime takes apart every line that Python's own list2cmdline joins."""
    line = subprocess.list2cmdline(["x.exe", *words])
    assert ["x.exe", *words] == shells.argv(line)
    assert ["x.exe", *words] == shells.argv(" ".join(map(shells.escaped, ("x.exe", *words))))


@pytest.mark.parametrize(
    "line",
    [
        r'"C:\Program Files\python.exe" -I',  # PowerShell prints it
        r"& 'C:\Program Files\python.exe' -I",  # cmd: & was unexpected
        r"C:\a&b\python.exe -I",
        r"C:\%PATH%\python.exe -I",
        r"C:\$x\python.exe -I",
        "C:\\a`b\\python.exe -I",
        r"C:\Python\python.exe -x.y",
        r"C:\a=b\python.exe -I",
        r'C:\Python\python.exe --codex-home "C:\a b"',
    ],
)
def test_the_models_see_what_goes_wrong(line: str) -> None:
    """None of these lines starts the same in every shell."""
    results: list[list[str] | None] = []
    for shell in SHELLS:
        try:
            results.append(arrived(line, shell))
        except shells.NotThere:
            results.append(None)
    assert None in results or any(result != results[0] for result in results)


def test_variables_that_python_reads_despite_its_flags_are_removed() -> None:
    """A script of PowerShell removes them; the plain line cannot."""
    script = decoded(of_windows((PYTHONS[1], *OURS)))
    assert all(f"$env:{name}=$null; " in script for name in READ_DESPITE_I)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, POWERSHELL),
        ({"SystemRoot": r"D:\WINNT"}, POWERSHELL.replace(r"C:\Windows", r"D:\WINNT")),
        ({"SystemRoot": r"folder"}, POWERSHELL),
        ({"SystemRoot": r"C:\a b"}, POWERSHELL),
    ],
)
def test_powershell_is_the_systems(environ: dict[str, str], expected: str) -> None:
    """By its path, and never one of the session's folder."""
    assert expected == powershell_path(environ)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("line", [posix_line, of_windows])
def test_it_is_known_as_ours(python: str, line: object) -> None:
    """However it is spelled: found again for status, update and removal."""
    assert callable(line)
    for words in (OURS, ("-P", *OURS[1:]), OURS[1:], (*USER_SITE, *OURS[3:])):
        command = line((python, *words))
        doc = {"hooks": {"SessionStart": [hooks_document.group(command)]}}
        assert 1 == len(hooks_document.find_ours(doc))
        assert (words in {OURS, (*USER_SITE, *OURS[3:])}) == hooks_document.is_isolated(command)


def _encoded(script: str) -> str:
    return base64.b64encode(script.encode("utf-16-le")).decode()


SCRIPT = (
    r"& 'C:\Program Files\python.exe' -I -m codex_fast_proxy autostart --codex-home C:\h --quiet; exit $LASTEXITCODE"
)


@pytest.mark.parametrize(
    "command",
    [
        r'"C:\Program Files\Python\python.exe" -m codex_fast_proxy autostart --quiet',  # 0.1.0
        r"C:\Python\python.exe -P -m codex_fast_proxy autostart --codex-home C:\h --quiet",  # 0.2.0
        f"powershell -NoProfile -NonInteractive -EncodedCommand {_encoded(SCRIPT)}",  # 0.2.0
        rf"C:\WINDOWS\System32\WindowsPowerShell\v1.0\PowerShell.exe -EncodedCommand {_encoded(SCRIPT)}",
        hook_command(facts(), windows=False),
        hook_command(facts(), windows=True),
    ],
)
def test_older_spellings_are_ours(command: str) -> None:
    """A hook of an older version is found, updated and removed."""
    assert 1 == len(hooks_document.find_ours({"hooks": {"SessionStart": [hooks_document.group(command)]}}))


def test_another_script_is_not_ours() -> None:
    """Encoded or broken, it is somebody else's."""
    launcher = "powershell -NoProfile -NonInteractive -EncodedCommand "
    others = [of_windows(("C:\\a b\\x.exe", "-m", "other")), f"{launcher}not base64!", f"{launcher}QQ=="]
    doc = {"hooks": {"SessionStart": [hooks_document.group(command) for command in others]}}
    assert () == hooks_document.find_ours(doc)
