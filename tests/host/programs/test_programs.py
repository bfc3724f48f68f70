"""Programs are found where each way to install leaves them, and never in the folder of a project."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cfp.host.codex_cli import CodexCli, find_codex
from cfp.host.programs.batch import UnsafeWord, invocation
from cfp.host.programs.codex import find_codex_program, is_codex
from cfp.host.programs.npm import native_program
from cfp.host.programs.search import candidates, find_program

ON_WINDOWS = pytest.mark.skipif(sys.platform != "win32", reason="a program of Windows is run")
# The script as npm writes it (cmd-shim 8), but for the path of codex.js.
NPM_SCRIPT = r"""@ECHO off
GOTO start
:find_dp0
SET dp0=%~dp0
EXIT /b
:start
SETLOCAL
CALL :find_dp0

IF EXIST "%dp0%\node.exe" (
  SET "_prog=%dp0%\node.exe"
) ELSE (
  SET "_prog=node"
  SET PATHEXT=%PATHEXT:;.JS;=;%
)

endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\{code}" %*
"""
# That of pnpm's shim.
PNPM_SCRIPT = '@SETLOCAL\n@IF EXIST "%~dp0\\node.exe" (\n  "%~dp0\\node.exe"  "%~dp0\\{code}" %*\n)\n'
PACKAGE = r"node_modules\@openai\codex"
TARGET = "x86_64-pc-windows-msvc"


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def npm_script(path: Path, code: str = rf"{PACKAGE}\bin\codex.js", text: str = NPM_SCRIPT) -> Path:
    return put(path, text.replace("{code}", code).replace("\n", "\r\n").encode())


# ---- PATH ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [["."], [""], ["bin"], ["", "."], [os.curdir]])
@pytest.mark.parametrize("windows", [False, True])
def test_the_current_folder_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[str], *, windows: bool
) -> None:
    """A project may hold a `codex` of its own: it is not run, whether or not PATH names the folder."""
    for name in ("codex", "codex.exe", "codex.cmd", "bin/codex", "bin/codex.exe"):
        put(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    environ = {"PATH": os.pathsep.join(entries), "PATHEXT": ".COM;.EXE;.BAT;.CMD"}
    assert [] == list(candidates("codex", environ, windows=windows))
    assert find_codex_program(environ, windows=windows) is None
    assert [] == list(candidates("codex", {"PATH": str(tmp_path / "none")}, windows=windows))


def test_windows_tries_the_endings_in_order(tmp_path: Path) -> None:
    """PATH is the outer order, PATHEXT the inner one; endings that make no process are left out."""
    first, second = tmp_path / "a b", tmp_path / "c"
    script, other = put(first / "codex.cmd"), put(second / "codex.exe")
    put(first / "codex.js")
    put(first / "codex")
    environ = {"PATH": f'"{first}"{os.pathsep}{second}', "PATHEXT": ".JS;.EXE;.CMD"}
    assert [script, other] == list(candidates("codex", environ, windows=True))
    better = put(first / "codex.exe")
    assert [better, script, other] == list(candidates("codex", environ, windows=True))
    assert [script] == list(candidates("codex.cmd", environ, windows=True))
    assert [better, other] == list(candidates("codex", {**environ, "PATHEXT": ".EXE"}, windows=True))
    assert [better, script, other] == list(candidates("codex", {"PATH": environ["PATH"]}, windows=True))


def test_programs_of_the_store_are_left_out(tmp_path: Path) -> None:
    """An alias of 0 bytes may open the App's window, and the App's own program may not be started by others."""
    alias = put(tmp_path / "Microsoft" / "WindowsApps" / "codex.exe", b"")
    inside = put(tmp_path / "WINDOWSAPPS" / "OpenAI.Codex_1_x64" / "app" / "resources" / "codex.exe")
    usual = put(tmp_path / "bin" / "codex.exe")
    environ = {"PATH": os.pathsep.join(str(path.parent) for path in (alias, inside, usual))}
    assert usual == find_codex_program(environ, windows=True)


def test_a_path_that_the_user_names(tmp_path: Path) -> None:
    """It means that very file."""
    name = "codex.exe" if sys.platform == "win32" else "codex"
    program = put(tmp_path / name)
    assert program == find_program(str(tmp_path / "codex"), {"PATH": ""})
    assert find_program(str(tmp_path / "none"), {"PATH": str(tmp_path)}) is None


@pytest.mark.posix("files without the right to be run")
def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    """On POSIX a program is a file that may be run."""
    (tmp_path / "codex").write_text("x")
    (tmp_path / "b" / "codex").mkdir(parents=True)
    assert [] == list(candidates("codex", {"PATH": f"{tmp_path}:{tmp_path / 'b'}"}, windows=False))


# ---- What each installer leaves behind -----------------------------------------------------------------------


def _npm(root: Path) -> tuple[Path, dict[str, str]]:
    """The folder of `npm install -g`: a script, and the package for the processor inside that of Codex."""
    npm_script(root / "npm" / "codex.cmd")
    put(root / "npm" / "codex", b"#!/bin/sh\n")
    put(root / "npm" / "node_modules" / "@openai" / "codex" / "bin" / "codex.js")
    inner = root / "npm" / "node_modules" / "@openai" / "codex" / "node_modules" / "@openai" / "codex-win32-x64"
    return inner / "vendor" / TARGET / "bin" / "codex.exe", {"APPDATA": str(root)}


def _installer(root: Path) -> tuple[Path, dict[str, str]]:
    return root / "Programs" / "OpenAI" / "Codex" / "bin" / "codex.exe", {"LOCALAPPDATA": str(root)}


def _winget(root: Path) -> tuple[Path, dict[str, str]]:
    return root / "Microsoft" / "WinGet" / "Links" / "codex.exe", {"LOCALAPPDATA": str(root)}


def _winget_package(root: Path) -> tuple[Path, dict[str, str]]:
    folder = root / "Microsoft" / "WinGet" / "Packages" / "OpenAI.Codex_Microsoft.Winget.Source_8wekyb3d8bbwe"
    return folder / f"codex-{TARGET}.exe", {"LOCALAPPDATA": str(root)}


def _app(root: Path) -> tuple[Path, dict[str, str]]:
    old = put(root / "OpenAI" / "Codex" / "bin" / "0123456789abcdef" / "codex.exe")
    os.utime(old, (1, 1))
    return root / "OpenAI" / "Codex" / "bin" / "d7e8094cfb76a267" / "codex.exe", {"LOCALAPPDATA": str(root)}


WAYS = [_npm, _installer, _winget, _winget_package, _app]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_it_is_found_without_path(tmp_path: Path, way: object) -> None:
    """The App's environment and an older terminal lack the folder in PATH."""
    assert callable(way)
    program, environ = way(tmp_path)
    put(program)
    assert program == find_codex_program({"PATH": "", **environ}, windows=True)
    on_path = put(tmp_path / "mine" / "codex.exe")
    assert on_path == find_codex_program({"PATH": str(on_path.parent), **environ}, windows=True)


@ON_WINDOWS
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_real_one_is_found_and_answers(tmp_path: Path, codex_cli: Path, way: object) -> None:
    """codex.exe itself, where each way to install leaves it, with a project's codex.exe in the current folder."""
    assert callable(way)
    program, environ = way(tmp_path / "A user's & 100 % Ünï")
    program.parent.mkdir(parents=True, exist_ok=True)
    for name in ("codex.exe", "bcryptprimitives.dll"):
        os.link(codex_cli.parent / name, program if name == "codex.exe" else program.parent / name)
    home = tmp_path / ".codex"
    home.mkdir()
    cli = find_codex({**os.environ, "PATH": "", **environ}, home)
    assert cli is not None
    assert (program, True) == (cli.program, cli.version() > (0, 130, 0))


@pytest.mark.parametrize(
    ("code", "text", "place"),
    [
        (rf"{PACKAGE}\bin\codex.js", NPM_SCRIPT, "node_modules/@openai/codex/node_modules/@openai/codex-win32-x64"),
        (rf"{PACKAGE}\bin\codex.js", NPM_SCRIPT, "node_modules/@openai/codex-win32-x64"),
        (rf"{PACKAGE}\bin\codex.js", NPM_SCRIPT, "node_modules/@openai/codex"),
        (rf"{PACKAGE}\bin\codex.js", NPM_SCRIPT, "node_modules/@openai/codex-win32-arm64"),
        (
            r"global\5\node_modules\@openai\codex\bin\codex.js",
            PNPM_SCRIPT,
            "global/5/node_modules/@openai/codex-win32-x64",
        ),
        (r"..\@openai\codex\bin\codex.js", NPM_SCRIPT, "../@openai/codex-win32-x64"),
    ],
)
@pytest.mark.parametrize("folder", ["bin", "codex"])
def test_the_program_behind_a_script(tmp_path: Path, code: str, text: str, place: str, folder: str) -> None:
    """Inside the package, beside it, or of an older release: as codex.js looks for it, for npm and pnpm."""
    script = npm_script(tmp_path / "node_modules" / ".bin" / "codex.cmd", code, text)
    target = "aarch64-pc-windows-msvc" if place.endswith("arm64") else TARGET
    program = script.parent / place / "vendor" / target / folder / "codex.exe"
    assert native_program(script) is None
    put(Path(os.path.realpath(program)))
    found_one = native_program(script)
    assert found_one is not None
    assert found_one.samefile(program)


def test_the_processor_chooses(tmp_path: Path) -> None:
    """Each has its package; the other one's is better than none, since Windows for Arm runs it."""
    script = npm_script(tmp_path / "codex.cmd")
    modules = Path(os.path.realpath(tmp_path)) / "node_modules" / "@openai"
    x64 = put(modules / "codex-win32-x64" / "vendor" / TARGET / "bin" / "codex.exe")
    arm = put(modules / "codex-win32-arm64" / "vendor" / "aarch64-pc-windows-msvc" / "bin" / "codex.exe")
    assert (x64, arm) == (native_program(script, "AMD64"), native_program(script, "ARM64"))
    arm.unlink()
    assert x64 == native_program(script, "ARM64")


@pytest.mark.parametrize("text", ["", "@echo off\r\ncodex.exe %*\r\n", "\udcff", '"%~dp0\\other\\bin\\codex.js"'])
def test_another_script_has_no_program_behind_it(tmp_path: Path, text: str) -> None:
    """It is run as it is."""
    script = put(tmp_path / "codex.cmd", text.encode("utf-8", "surrogateescape"))
    assert native_program(script) is None
    assert native_program(tmp_path / "none.cmd") is None
    assert native_program(put(tmp_path / "codex.exe")) is None
    assert script == find_codex_program({"PATH": str(tmp_path), "PATHEXT": ".CMD"}, windows=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("codex", True), ("CODEX", True), (f"codex-{TARGET}", True), ("codex-app", False), ("xcodex", False)],
)
def test_names_of_the_cli(name: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """Winget leaves the name of the archive's file."""
    assert expected is is_codex(name)


# ---- Scripts of cmd --------------------------------------------------------------------------------------------


def test_a_program_gets_its_words() -> None:
    """No shell stands between."""
    words = ["exec", "a & b", "%PATH%", '"']
    assert ["codex", *words] == invocation(Path("codex"), words)
    assert [r"C.exe", *words] == invocation(Path("C.exe"), words)


@pytest.mark.parametrize(
    "word", ["a b", "a&b", "%PATH%", 'a"', "a|b", "a>b", "a^b", "(a)", "!a!", "", "a\nb", "a=b", "a;b"]
)
def test_a_script_gets_plain_words_alone(word: str) -> None:
    """Cmd would read anything else as its own."""
    with pytest.raises(UnsafeWord):
        invocation(Path("codex.cmd"), ["login", word])


@pytest.mark.parametrize("name", ['a"b.cmd', "100%.cmd", "a!b.cmd"])
def test_a_script_in_a_plain_path_alone(name: str) -> None:
    """Cmd replaces %NAME% between quotes, too."""
    with pytest.raises(UnsafeWord):
        invocation(Path(name), ["login"])


def test_the_line_of_a_script() -> None:
    """Cmd is Windows' own, and takes the outer quotes off."""
    line = invocation(Path("my codex.cmd"), ["login", "status"], {"SYSTEMROOT": "W"})
    assert line == f'"{Path("W") / "System32" / "cmd.exe"}" /d /s /v:off /c ""my codex.cmd" login status"'


@ON_WINDOWS
def test_a_script_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words arrive, from a path with blanks and signs of cmd."""
    folder = tmp_path / "A user's & (x) ^ Ünï"
    script = put(folder / "codex.cmd", f'@"{sys.executable}" -c "import sys; print(*sys.argv[1:])" %*\r\n'.encode())
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        invocation(script, ["login", "--a.b"]), stdin=subprocess.PIPE, capture_output=True, text=True, check=True
    )
    assert "login --a.b" == done.stdout.strip()
    cli = CodexCli(program=put(folder / "b.cmd", b"@echo codex-cli 1.2.3\r\n"), environ=dict(os.environ))
    assert (1, 2, 3) == cli.version()
