"""The path of a Python that its upgrade leaves in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfp.host.system.interpreters import cached_by, lasting_path, temporary_folder, versioned_path
from cfp.host.worker.code_id import python_path

CELLAR = "/opt/homebrew/Cellar/python@3.12/3.12.7_1"
OPT = "/opt/homebrew/opt/python@3.12"
FRAMEWORK = "Frameworks/Python.framework/Versions/3.12"
LINUXBREW = "/home/linuxbrew/.linuxbrew"


@pytest.mark.parametrize(
    ("python", "lasting"),
    [
        (f"{CELLAR}/bin/python3.12", f"{OPT}/bin/python3.12"),
        (f"{CELLAR}/{FRAMEWORK}/bin/python3.12", f"{OPT}/{FRAMEWORK}/bin/python3.12"),
        (
            f"{CELLAR}/{FRAMEWORK}/Resources/Python.app/Contents/MacOS/Python",
            f"{OPT}/{FRAMEWORK}/bin/python3.12",
        ),
        (
            "/Library/Frameworks/Python.framework/Versions/3.13/Resources/Python.app/Contents/MacOS/Python",
            "/Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13",
        ),
        (f"{LINUXBREW}/Cellar/tool/0.3.0/libexec/bin/python", f"{LINUXBREW}/opt/tool/libexec/bin/python"),
    ],
)
def test_a_folder_of_one_version_is_left(python: str, lasting: str) -> None:
    """Homebrew's `opt` leads to the newest version, and a framework's `bin` starts the program inside Python.app."""
    assert lasting == lasting_path(python, lambda path: True)


@pytest.mark.parametrize(
    "python",
    [
        "/Users/me/src/.venv/bin/python",
        "/Users/me/.local/share/uv/tools/codex-fast-proxy/bin/python",
        f"{OPT}/bin/python3.12",
        "/Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13",
        "/usr/bin/python3",
        "C:\\Python311\\python.exe",
    ],
)
def test_other_paths_stay(python: str) -> None:
    """An environment's own path above all: it is what finds the program's packages."""
    assert python == lasting_path(python, lambda path: True)


def test_a_path_that_is_not_there_is_not_chosen() -> None:
    """A Cellar without `opt` keeps the only path that works."""
    python = f"{CELLAR}/bin/python3.12"
    assert python == lasting_path(python, lambda path: False)


@pytest.mark.posix("Homebrew")
def test_the_hook_names_the_lasting_path(tmp_path: Path) -> None:
    """On a Cellar of this disk: the hook's interpreter is the one under `opt`, and it runs after an upgrade."""
    cellar = tmp_path / "Cellar" / "python@3.12"
    for version in ("3.12.7", "3.12.8"):
        (cellar / version / "bin").mkdir(parents=True)
        (cellar / version / "bin" / "python3").write_text("")
    opt = tmp_path / "opt" / "python@3.12"
    opt.parent.mkdir()
    opt.symlink_to(cellar / "3.12.7")
    assert str(opt / "bin" / "python3") == python_path(str(cellar / "3.12.7" / "bin" / "python3"))


@pytest.mark.parametrize(
    ("links", "versioned"),
    [
        ({"/venv/bin/python": f"{CELLAR}/bin/python3.12"}, f"{CELLAR}/bin/python3.12"),
        (
            {"/venv/bin/python": "python3", "/venv/bin/python3": f"{CELLAR}/bin/python3.12"},
            f"{CELLAR}/bin/python3.12",
        ),
        (
            {"/venv/bin/python": f"{OPT}/bin/python3.12", f"{OPT}/bin/python3.12": f"../{FRAMEWORK}/bin/python3.12"},
            "",
        ),
        ({"/venv/bin/python": "/usr/bin/python3.12"}, ""),
        ({"/venv/bin/python": "python"}, ""),
        ({}, ""),
    ],
)
@pytest.mark.posix("Homebrew")
def test_an_environment_may_lead_to_one_version(links: dict[str, str], versioned: str) -> None:
    """A link into the Cellar breaks with the next version; one through `opt` does not, and a circle ends."""

    def read_link(path: str) -> str:
        if path not in links:
            raise OSError(path)
        return links[path]

    assert versioned == versioned_path("/venv/bin/python", read_link)


UV = "/home/me/.cache/uv"
PIPX = "/home/me/.local/pipx"


@pytest.mark.parametrize(
    ("python", "tool", "folder"),
    [
        (f"{UV}/archive-v0/j1z0sQK2uZaUSBPB/bin/python3", "uv", f"{UV}/archive-v0"),
        (f"{UV}/builds-v0/.tmpN7hJ4r/bin/python3", "uv", f"{UV}/builds-v0"),
        (f"{UV}/environments-v2/s-a5b2307ee52f79a6/bin/python3", "uv", f"{UV}/environments-v2"),
        (
            "C:\\Users\\me\\uv\\cache\\archive-v0\\4JXQGwl8uXNV6di8\\Scripts\\python.exe",
            "uv",
            "C:/Users/me/uv/cache/archive-v0",
        ),
        ("/home/me/.cache/pipx/270953e5d007294/bin/python3", "pipx", "/home/me/.cache/pipx"),
        ("/srv/tools/.cache/270953e5d007294/bin/python3", "pipx", "/srv/tools/.cache"),
        (f"{PIPX}/venvs/codex-fast-proxy/bin/python3", "", ""),
        ("/home/me/.local/share/uv/tools/codex-fast-proxy/bin/python3", "", ""),
        ("/home/me/archive-v2/venv/bin/python3", "", ""),
        ("/home/me/.cache/pipx/mine/bin/python3", "", ""),
        ("/tmp/venv/bin/python3", "", "/tmp"),
        ("/tmpfs/venv/bin/python3", "", ""),
    ],
)
def test_places_where_no_python_stays(python: str, tool: str, folder: str) -> None:
    """The caches of uv and pipx, as their own `uvx` and `pipx run` make them, and the temporary folder."""
    assert (tool, folder) == (cached_by(python), temporary_folder(python, "/tmp"))
