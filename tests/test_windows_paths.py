"""The spellings of a path on Windows: one home stays one home, and what leads to another machine is known as that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.host.worker.own_port import own_ports
from cfp.layout import default_home, home_identity, is_same_home, locate
from cfp.windows_paths import is_of_wsl, plain, server_of
from tests.users import of_user

ON_WINDOWS = pytest.mark.skipif(sys.platform != "win32", reason="short names and drives are Windows'")

NAME = st.text("aZé .$-", min_size=1, max_size=8).filter(lambda name: name.strip(" ."))
FOLDERS = st.lists(NAME, max_size=4).map("\\".join)


@given(FOLDERS)
def test_the_prefix_is_no_part_of_the_path(folders: str) -> None:
    r"""With `\\?\` and without it, a path has one plain spelling, which is its own."""
    drive, share = f"C:\\{folders}", f"\\\\server\\share\\{folders}"
    assert drive == plain(drive) == plain(f"\\\\?\\{drive}")
    assert share == plain(share) == plain(f"\\\\?\\UNC\\{share[2:]}") == plain(f"\\\\?\\unc\\{share[2:]}")


@pytest.mark.parametrize(
    ("path", "server", "of_wsl"),
    [
        (r"C:\Users\me\.codex", "", False),
        (r"\\?\C:\Users\me\.codex", "", False),
        (r"\\Server\share\.codex", "server", False),
        ("//server/share/.codex", "server", False),
        (r"\\?\UNC\server\share", "server", False),
        (r"\\wsl$\Ubuntu\home\me\.codex", "wsl$", True),
        (r"\\wsl.localhost\Ubuntu\home\me\.codex", "wsl.localhost", True),
        (r"\\WSL.LOCALHOST\Ubuntu", "wsl.localhost", True),
        (r"\\?\UNC\wsl$\Ubuntu", "wsl$", True),
        (r"\\.\C:\Users", "", False),
        (r"\\?\Volume{0}\x", "", False),
        (".codex", "", False),
    ],
)
def test_servers(path: str, server: str, of_wsl: bool) -> None:  # noqa: FBT001  a column of the table
    """A UNC path names its server, however it is spelled; WSL is one of them."""
    assert (server, of_wsl) == (server_of(path), is_of_wsl(path))


def test_home_is_not_asked_on_windows(tmp_path: Path) -> None:
    """Git Bash sets HOME, and Codex for Windows does not read it; elsewhere, Codex reads nothing else."""
    home, profile = tmp_path / "home", tmp_path / "profile"
    expected = profile if sys.platform == "win32" else home
    assert expected / ".codex" == default_home({"HOME": str(home), "USERPROFILE": str(profile)})


def _short(path: Path) -> str:
    import ctypes  # noqa: PLC0415  the call is Windows' alone

    buffer = ctypes.create_unicode_buffer(300)
    assert ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, 300)  # type: ignore[attr-defined]  # there on Windows
    return buffer.value


@ON_WINDOWS
@pytest.mark.parametrize("spelling", ["upper", "lower", "prefix", "slashes", "short", "relative", "no drive", "end"])
def test_each_spelling_is_one_home(tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock, port, journal and hook all go by the layout's path, and Codex resolves CODEX_HOME to the same one."""
    home = tmp_path / "A home with Umläut"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    text = str(home)
    spelled = {
        "upper": text.upper,
        "lower": text.lower,
        "prefix": lambda: f"\\\\?\\{text}",
        "slashes": lambda: text.replace("\\", "/"),
        "short": lambda: _short(home),
        "relative": lambda: home.name,
        "no drive": lambda: text[2:],
        "end": lambda: f"{text}\\",
    }[spelling]()
    assert str(locate(str(home), {}).home) == str(locate(spelled, {}).home)
    assert str(locate(str(home), {}).home) == str(locate(None, {"CODEX_HOME": spelled}).home)
    assert is_same_home(home, spelled)
    assert own_ports(home_identity(home)) == own_ports(home_identity(spelled))
    one, other = os.stat(home), os.stat(spelled)  # noqa: PTH116  a path would drop the spelling
    assert (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    assert one.st_ino != 0


@ON_WINDOWS
@pytest.mark.parametrize("spell", [str.upper, lambda text: f"\\\\?\\{text}"], ids=["upper", "prefix"])
def test_the_default_home_in_another_spelling(tmp_path: Path, spell: object) -> None:
    """It is the default home, and keeps Codex's own spelling, which the keys of trusted hooks have."""
    assert callable(spell)
    environ = of_user(tmp_path)
    (tmp_path / ".codex").mkdir()
    assert str(default_home(environ)) == str(locate(spell(str(tmp_path / ".codex")), environ).home)


@ON_WINDOWS
def test_codex_reads_the_profile_alone(codex_cli: Path, tmp_path: Path) -> None:
    """The default home rests on this: codex.exe asks Windows for the user's folder, and reads neither variable."""
    home = tmp_path / ".codex"
    home.mkdir()
    (home / "config.toml").write_text('[mcp_servers.in_the_variables]\ncommand = "x"\n')
    environ = {name: value for name, value in os.environ.items() if name != "CODEX_HOME"}
    words = (str(codex_cli), "mcp", "list")
    default = subprocess.run(
        words, env={**environ, **of_user(tmp_path)}, stdin=subprocess.PIPE, capture_output=True, text=True, check=True
    )
    named = subprocess.run(
        words,
        env={**environ, "CODEX_HOME": str(home)},
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (False, True) == ("in_the_variables" in default.stdout, "in_the_variables" in named.stdout)
