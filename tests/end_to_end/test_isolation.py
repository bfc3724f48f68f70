"""Hook, worker and commands run nothing but this program, whatever PYTHON* variables and the current folder hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cfp
from cfp.core.settings import Settings
from cfp.host.worker.spawn import WorkerSpec, spawn
from cfp.layout import Layout
from tests.end_to_end.harness import Machine, api_key_login
from tests.sentinels import kill_for_good
from tests.systems import WINDOWS
from tests.traps import OURS, Traps, all_hostile, hostile, variables

NAMED = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", *({"PYTHONEXECUTABLE"} & {*variables()}))
REPOSITORY = Path(cfp.__file__).parents[1]
SITE = next(path for path in sys.path if path.endswith("site-packages"))
# On Windows an .exe with an archive behind it, which Python runs as it runs a script.
SCRIPT = (str(Path(sysconfig.get_path("scripts")) / f"codex-fast-proxy{'.exe' if WINDOWS else ''}"),)
MODULE = (sys.executable, "-m", "codex_fast_proxy")
_RUNPY = {"runpy", "importlib", "contextlib", "threading", "warnings", "_weakrefset", "pkgutil", "weakref"}


def _run(
    command: list[str], machine: Machine, folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**machine.environment(), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _installed(machine: Machine) -> Machine:
    machine.relay()
    machine.install()
    return machine


def _kill(machine: Machine) -> None:
    (worker,) = machine.workers()
    kill_for_good([worker])


def test_the_variables_are_those_of_this_python() -> None:
    """The list is read from the interpreter, so that a newer one's variables are tried as well."""
    assert {*NAMED, "PYTHONSTARTUP", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONINSPECT"} <= {*variables()}
    assert {"PYTHONBREAKPOINT", "PYTHONOPTIMIZE", "PYTHONSAFEPATH", "PYTHONASYNCIODEBUG"} <= {*variables()}


def test_no_variable_reaches_the_hook(machine: Machine) -> None:
    """With each variable set to something hostile, the no-op ends well, silently, and springs no trap."""
    hook, traps = _installed(machine).hook_words(), Traps(machine.root)
    environs = [*(hostile(name, traps.folder) for name in variables()), all_hostile(traps.folder)]
    _run(hook, machine, traps.folder, {})  # the first one leaves a note
    before = machine.files()
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda environ: _run(hook, machine, traps.folder, environ), environs)
        outcomes = [(done.returncode, done.stdout, done.stderr, traps.sprung) for done in runs]
    assert [(0, "", "", "")] * len(environs) == outcomes
    assert before == machine.files()


@pytest.mark.parametrize("name", [*NAMED, "all"])
def test_no_variable_reaches_a_revival(machine: Machine, name: str) -> None:
    """The hook's long way, and the worker that it starts: it answers, and springs no trap."""
    hook, traps = _installed(machine).hook_words(), Traps(machine.root)
    _kill(machine)
    environ = all_hostile(traps.folder) if name == "all" else hostile(name, traps.folder)
    done = _run(hook, machine, traps.folder, environ)
    assert (0, "", "", "") == (done.returncode, done.stdout, done.stderr, traps.sprung)
    (worker,) = machine.workers()
    assert machine.cfp("status").json["pid"] == worker.pid


@pytest.mark.parametrize("name", [*NAMED, "all"])
def test_no_variable_reaches_the_worker(machine: Machine, name: str) -> None:
    """A worker imports everything before its go byte; without one it ends with 0."""
    traps = Traps(machine.root)
    settings = Settings(provider="relay", upstream_base="https://relay.example/v1", port=machine.port)
    spec = WorkerSpec(settings=settings, codex_home=machine.home, python=sys.executable, nonce="ab")
    environ = all_hostile(traps.folder) if name == "all" else hostile(name, traps.folder)
    layout = Layout(machine.home)
    layout.worker.mkdir(parents=True)
    worker = spawn(spec, layout, env={**machine.environment(), **environ})
    assert worker._process.stdin is not None
    worker._process.stdin.close()
    assert worker.wait(60)
    assert (0, b"", "") == (worker._process.returncode, worker.stderr.read_bytes(), traps.sprung)


# ---- The commands that a person starts -------------------------------------------------------------------------


def _imported_by_python(command: tuple[str, ...], machine: Machine) -> frozenset[str]:
    """Return the modules that Python and the script import before the first line of ours."""
    done = _run([sys.executable, "-X", "importtime", *command, "--version"], machine, machine.work, {})
    names = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    return frozenset(name.partition(".")[0] for name in names[: names.index("cfp")])


@pytest.mark.parametrize("named", ["", ".", os.pathsep, "/nonexistent", f"x{os.pathsep}FOLDER"])
@pytest.mark.parametrize(("start", "command"), [("script", SCRIPT), ("module", MODULE[1:])])
def test_a_command_in_a_folder_of_traps(machine: Machine, start: str, command: tuple[str, ...], named: str) -> None:
    """Of a project's modules, those run that Python imports before our first line, and no others."""
    machine.relay()
    inevitable = _imported_by_python(command, machine) | {"sitecustomize", "usercustomize", "encodings", *OURS[:2]}
    traps = Traps(machine.root, spare=inevitable)
    environ = {"PYTHONPATH": named.replace("FOLDER", str(traps.folder)), "PYTHONPYCACHEPREFIX": "cache"}
    for words in (["status"], ["install", "--dry-run"]):
        done = _run([sys.executable, *command, *words], machine, traps.folder, environ)
        assert (0, "", "") == (done.returncode, done.stderr, traps.sprung)
    assert [] == [*traps.folder.rglob("cli.*.pyc")]  # nor are the project's compiled modules read
    assert {"json", "asyncio", "argparse", "journal", "__future__"} & {path.stem for path in traps.folder.iterdir()}


def test_python_itself_imports_little_before_us(machine: Machine) -> None:
    """docs/security.md names what a folder can still put into the way of a command that a person starts."""
    allowed = {"types", "enum", "re", "functools", "collections", "operator", "keyword", "reprlib", "copyreg"}
    python = _imported_by_python(("-c", "import cfp"), machine)
    assert _imported_by_python(SCRIPT, machine) - python - {"itertools"} <= {
        *allowed,
        *(f"_{name}" for name in allowed),
        "_sre",
        *(_RUNPY if WINDOWS else ()),
    }


# ---- Installations -----------------------------------------------------------------------------------------------


def _bare_python(root: Path) -> Path:
    """Return the interpreter of an environment in which nothing is installed."""
    if not WINDOWS:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "bare")], check=True)
        return root / "bare" / "bin" / "python3"
    # Not by venv, whose launchers the interpreter of the tests may lack.
    python, folder = Path(sys.executable), root / "bare" / "Scripts"
    folder.mkdir(parents=True)
    for path in (python, *python.parent.glob("*.dll")):
        shutil.copy(path, folder)
    (root / "bare" / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    return folder / python.name


def test_a_program_on_pythonpath_alone_is_not_installed(machine: Machine) -> None:
    """Codex could not start it; the refusal comes before anything is written, and names the way out."""
    machine.relay()
    before = machine.files()
    bare = str(_bare_python(machine.root))
    machine.environ["PYTHONPATH"] = os.pathsep.join((str(REPOSITORY), SITE))
    for words in (["--start"], ["--prepare-only"], ["--dry-run"]):
        ran = machine.run([bare, "-m", "codex_fast_proxy", "install", *words], timeout=30)
        assert (2, "program_not_installed", False) == (ran.code, ran.json["code"], ran.json["changed"])
        assert "No module named 'cfp'" in ran.json["error"]
    assert before == machine.files()


@pytest.mark.parametrize("place", ["current folder", "PYTHONPATH"])
def test_doctor_names_a_module_with_a_name_of_ours(machine: Machine, place: str) -> None:
    """The project's own journal.py would run in place of ours, where a Python is started without -I."""
    machine.relay()
    folder = machine.work if place == "current folder" else machine.root / "project"
    folder.mkdir(exist_ok=True)
    (folder / "journal.py").write_text("raise SystemExit(9)\n")
    if place == "PYTHONPATH":
        machine.environ["PYTHONPATH"] = str(folder)
    checks = {check["name"]: check for check in machine.cfp("doctor").json["checks"]}
    assert (True, "modules_shadowed") == (checks["module_names"]["ok"], checks["module_names"]["code"])
    assert [str(folder / "journal.py")] == checks["module_names"]["evidence"]["files"]


def test_a_checkout_beside_an_installation_is_not_installed(machine: Machine) -> None:
    """The hook would start the other copy."""
    machine.relay()
    copy = machine.root / "checkout"
    for name in ("cfp", "journal"):
        shutil.copytree(REPOSITORY / name, copy / name)
    shutil.copy(REPOSITORY / "codex_fast_proxy.py", copy)
    machine.environ["PYTHONPATH"] = str(copy)
    ran = machine.run([*MODULE, "install", "--dry-run"], timeout=30)
    assert (2, "program_not_installed") == (ran.code, ran.json["code"])
    assert f"another copy in {REPOSITORY / 'cfp'}" in ran.json["error"]


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="the interpreter below must not have the program already")
def test_an_installation_in_the_users_site(machine: Machine) -> None:
    """Hook and worker find it, and PYTHONUSERBASE leads nowhere else."""
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    base = machine.root / "it's local"
    folder = base / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (folder / f"codex_fast_proxy-{cfp.__version__}.dist-info").mkdir(parents=True)
    (folder / "ours.pth").write_text(f"{REPOSITORY}\n{SITE}\n")
    machine.environ["PYTHONUSERBASE"] = str(base)
    machine.write("auth.json", api_key_login())
    machine.relay()
    ran = machine.run(
        [str(python), "-m", "codex_fast_proxy", "install", "--start", "--port", str(machine.port)], timeout=60
    )
    assert 0 == ran.code, ran.transcript
    status = machine.run([str(python), "-m", "codex_fast_proxy", "status"], timeout=30).json
    assert (True, "ready") == (status["hook_command_matches"], status["diagnosis"]["code"])
    traps = Traps(machine.root)
    _kill(machine)
    done = _run(machine.hook_words(), machine, traps.folder, all_hostile(traps.folder))
    assert (0, "", "", "") == (done.returncode, done.stdout, done.stderr, traps.sprung)
    (worker,) = machine.workers()
    assert str(base) in worker.cmdline()
