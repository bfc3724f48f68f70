"""The menu of checks: `nox -l` lists it, `nox` runs what every change must pass, `nox -s NAME` one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["lint", "codex_cli", "tests", "windows", "package"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = Path(".ci/constraints.txt")
GATEWAY_CONSTRAINTS = Path(".ci/gateway/constraints.txt")  # of LiteLLM, which is installed apart from ours
CODEX_LOCKS = sorted(Path(".ci").glob("codex*"))  # the CLI of the tests, and older ones for what differs by version
CACHE = Path(".cache")


def _install(session: nox.Session, *groups: str) -> None:
    """Install the package and these dependency groups, each at its locked version."""
    wanted = [name for group in groups for name in nox.project.dependency_groups(PROJECT, group)]
    session.install("-c", str(CONSTRAINTS), "-e", ".", *wanted)
    # As pip does with an installed package: tests and bench start thousands of interpreters.
    session.run("python", "-m", "compileall", "-q", "cfp", "journal", "codex_fast_proxy.py")


def _codex_is_current(lock: Path) -> bool:
    """Whether the cached CLI is the locked one, by what npm itself recorded beside it."""
    modules = CACHE / lock.name / "node_modules"
    record = modules / "@openai" / "codex" / "package.json"
    program = modules / ".bin" / "codex"
    recorded = program.exists() and record.exists() and json.loads(record.read_text())["version"]
    return bool(recorded == _codex_version(lock))


def _codex_version(lock: Path) -> str:
    return str(json.loads((lock / "package.json").read_text())["dependencies"]["@openai/codex"])


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint, types as each system sees them, and who may import whom."""
    _install(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("mypy", "--platform", "darwin", "--exclude", r"/_\w*(windows|win32|linux)\w*\.py$")
    session.run("mypy", "--platform", "win32", "--exclude", r"/_\w*(posix|linux|macos)\w*\.py$")
    session.run("lint-imports", "--no-logo")
    session.run("zizmor", "--offline", "--quiet", ".github", env={"NO_COLOR": "1"})


@nox.session(venv_backend="none")
def codex_cli(session: nox.Session) -> None:
    """Fetch the pinned real Codex CLIs by npm; where that fails: skipped, or an error under CFP_REQUIRE_CODEX=1."""
    npm = shutil.which("npm")
    for lock in CODEX_LOCKS:
        if npm is None or _codex_is_current(lock):
            continue
        cache = CACHE / lock.name
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(lock / name, cache / name)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        session.run(npm, "ci", "--prefix", str(cache), *quiet, external=True, success_codes=range(256))
    if all(map(_codex_is_current, CODEX_LOCKS)):
        session.log("the pinned CLIs are in the cache")
        return
    reason = "the real Codex CLI could not be fetched" if npm else "npm is not installed"
    if os.environ.get("CFP_REQUIRE_CODEX") == "1":
        session.error(reason)
    session.skip(f"{reason}: tests that need the CLI will be skipped")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that pytest finds, on every core; arguments after `--` go to it."""
    _install(session, "tests", "install")
    # One more than there are cores: a third of all the time is spent waiting for workers, Codex and browsers.
    at_once = str(1 + (os.cpu_count() or 1))
    session.run("pytest", "-n", at_once, "--dist", "worksteal", "--durations=10", *session.posargs)


@nox.session
def codex_versions(session: nox.Session) -> None:
    """Every test with the real CLI, over 0.130, 0.150 and the pinned one; arguments: versions, then pytest's.

    The gate runs them over the pinned one, and what needs an older one in a small case of each.
    """
    _install(session, "tests")
    locks = {_codex_version(lock): lock for lock in CODEX_LOCKS}
    named = [one for one in locks if any(f"{one}.".startswith(f"{word}.") for word in session.posargs)]
    rest = [word for word in session.posargs if not any(f"{one}.".startswith(f"{word}.") for one in locks)]
    at_once = str(1 + (os.cpu_count() or 1))
    failed = []
    for version in named or sorted(locks):
        environ = {"CFP_TEST_CODEX": version, "CFP_TEST_IDENTITY_STRIDE": "1", "CFP_REQUIRE_CODEX": "1"}
        session.log(f"Codex {version}")
        words = ("pytest", "-n", at_once, "--dist", "worksteal", "-m", "real_codex", *rest)
        try:
            session.run(*words, env=environ)
        except CommandFailed:
            failed.append(version)
    if failed:
        session.error(f"tests failed with Codex {', '.join(failed)}")


@nox.session
def windows(session: nox.Session) -> None:
    """The demo and the tests on the Windows interpreter and codex.exe, under Wine; arguments go to pytest.

    Skipped where that cannot be, or an error under CFP_REQUIRE_WINDOWS=1.
    """
    _on_windows(session)


@nox.session
def windows_whole(session: nox.Session) -> None:
    """The same with every case, in the sizes of Linux, and 450 killed processes: an hour."""
    _on_windows(session, CFP_TEST_WHOLE="1", CFP_TEST_PROCESS_KILLS="150")


def _on_windows(session: nox.Session, **environ: str) -> None:
    if sys.platform == "win32":
        session.skip("this is Windows: the session `tests` runs all of it")
    session.install("-c", str(CONSTRAINTS), "build")
    reason = str(session.run("python", "-m", "tests.windows", "missing", silent=True)).strip()
    if not reason:
        needed = (*PROJECT["project"]["dependencies"], *nox.project.dependency_groups(PROJECT, "tests"))
        try:
            session.run("python", "-m", "tests.windows", "build", *needed)
        except CommandFailed:
            reason = "a part of the Windows interpreter or codex.exe could not be made, as said above"
    if reason and os.environ.get("CFP_REQUIRE_WINDOWS") == "1":
        session.error(reason)
    if reason:
        session.skip(f"{reason}: nothing is run on Windows")
    session.run("python", "-m", "tests.windows", "run", *session.posargs, env=environ)


@nox.session
def archives(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, twice, to the same bytes, with SHA256SUMS beside it."""
    built = _archives(session, Path("dist"))
    sums = session.run("python", ".ci/release.py", "sums", "dist", silent=True)
    Path("SHA256SUMS").write_text(str(sums))
    session.log(f"the same to the byte when built again: {', '.join(path.name for path in built)}")


def _archives(session: nox.Session, folder: Path) -> tuple[Path, Path]:
    """Return the sdist and the wheel, built from the checkout, and from that sdist in another place to compare."""
    session.install("-c", str(CONSTRAINTS), "build")
    again = Path(session.create_tmp()).resolve() / "again"
    for place in (folder, again):
        shutil.rmtree(place, ignore_errors=True)
    first = _build(session, Path(), folder)
    shutil.unpack_archive(first[0], again)
    (checkout,) = again.iterdir()
    for path in checkout.rglob("*"):  # as in a checkout of another day, by a user with another umask
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (0, 10**9))
    for one, other in zip(first, _build(session, checkout, again / "dist"), strict=True):
        if one.read_bytes() != other.read_bytes():
            session.error(f"{one.name} differs when it is built again from the sdist")
    return first


def _build(session: nox.Session, checkout: Path, folder: Path) -> tuple[Path, Path]:
    """Build by the locked backend; the files have the time of the commit, or hatchling's own where there is none."""
    log = ("git", "log", "-1", "--format=%ct")
    commit = session.run(*log, external=True, silent=True, success_codes=range(256)) if shutil.which("git") else ""
    environ = {"PIP_CONSTRAINT": str(CONSTRAINTS.resolve())}
    if str(commit).strip().isdigit():
        environ["SOURCE_DATE_EPOCH"] = str(commit).strip()
    session.run("python", "-m", "build", "--outdir", str(folder), str(checkout), silent=True, env=environ)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel; run the demo of the one, and every verb of the other as pip, uv and pipx install it."""
    sdist, wheel = (path.resolve() for path in _archives(session, Path(session.create_tmp()) / "dist"))
    found = [program for minor in range(11, 15) if (program := shutil.which(f"python3.{minor}")) and _runs(program)]
    pythons = found or [sys.executable]
    stories = {f"the wheel by pip, {Path(one).name}": ("pip", _by_pip(session, one, wheel)) for one in pythons}
    session.run(*_by_pip(session, pythons[0], sdist), "demo", external=True, silent=True)  # exits 2 where it fails
    stories |= _by_tools(session, pythons[0], wheel)
    _tell(session, stories)


def _runs(python: str) -> bool:
    """Whether it is an interpreter, and not a version manager's stand-in for one that is not switched on."""
    return subprocess.run([python, "--version"], check=False, capture_output=True).returncode == 0


def _by_pip(session: nox.Session, python: str, archive: Path) -> list[str]:
    """Install an archive where nothing else is; return the words that start the program."""
    clean = Path(session.create_tmp()).resolve() / f"clean-{Path(python).name}-{archive.suffix.removeprefix('.')}"
    session.run(python, "-m", "venv", "--clear", "--without-pip", str(clean), external=True)
    scripts = clean / ("Scripts" if sys.platform == "win32" else "bin")
    session.run("python", "-m", "pip", "--python", str(scripts / "python"), "install", "-q", str(archive))
    return [str(scripts / "codex-fast-proxy")]


def _by_tools(session: nox.Session, python: str, wheel: Path) -> dict[str, tuple[str, list[str]]]:
    """Install the wheel by uv and by pipx, from packages that pip has fetched: neither is asked to know an index."""
    session.install("-c", str(CONSTRAINTS), *nox.project.dependency_groups(PROJECT, "install"))
    place = Path(session.create_tmp()).resolve() / "tools"
    shutil.rmtree(place, ignore_errors=True)
    packages = place / "packages"
    options = ("-q", "--only-binary=:all:", "-c", str(CONSTRAINTS), "-d", str(packages))
    session.run("python", "-m", "pip", "--python", python, "download", *options, "pip", str(wheel))
    (place / "uv.toml").write_text(f"no-index = true\nfind-links = [{json.dumps(str(packages))}]\n")
    environ = {
        "UV_CONFIG_FILE": str(place / "uv.toml"),
        "UV_PYTHON": python,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_TOOL_DIR": str(place / "uv"),
        "UV_TOOL_BIN_DIR": str(place / "uv-bin"),
        "PIPX_HOME": str(place / "pipx"),
        "PIPX_BIN_DIR": str(place / "pipx-bin"),
        "PIPX_DEFAULT_PYTHON": python,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(packages),
    }
    session.env.update(environ)
    session.run("uv", "tool", "install", "-q", str(wheel))
    session.run("pipx", "install", "-q", str(wheel))
    uvx, pipx = (str(shutil.which(tool, path=session.bin)) for tool in ("uvx", "pipx"))
    return {
        "uv tool install": ("uv", [str(place / "uv-bin" / "codex-fast-proxy")]),
        "pipx install": ("pipx", [str(place / "pipx-bin" / "codex-fast-proxy")]),
        "uvx": ("once", [uvx, "-q", "--isolated", "--from", str(wheel), "codex-fast-proxy"]),
        "pipx run": ("once", [pipx, "run", "-q", "--spec", str(wheel), "codex-fast-proxy"]),
    }


def _tell(session: nox.Session, stories: dict[str, tuple[str, list[str]]]) -> None:
    """Run tests/installed.py on each, at once, as they wait for much; with the pinned Codex if it is there."""
    codex = CACHE.resolve() / "codex" / "node_modules" / ".bin"
    path = os.pathsep.join((session.bin, *([str(codex)] if codex.is_dir() else []), os.environ["PATH"]))
    environ = {**os.environ, **{key: value for key, value in session.env.items() if value is not None}, "PATH": path}
    running = {
        name: subprocess.Popen(
            [sys.executable, "tests/installed.py", installer, *program],
            env=environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (installer, program) in stories.items()
    }
    failed = []
    for name, process in running.items():
        _, reason = process.communicate()
        session.log(f"{name}: {'every verb is well' if process.returncode == 0 else reason}")
        failed += [name] if process.returncode else []
    if failed:
        session.error(f"not as it should be: {', '.join(failed)}")


@nox.session
def coverage(session: nox.Session) -> None:
    """The same with branch coverage, and a report."""
    _install(session, "tests", "install")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report", "--show-missing", "--skip-covered")
    session.run("coverage", "report", "--include=journal/*", "--fail-under=100", "--skip-covered")


@nox.session
def deep(session: nox.Session) -> None:
    """The nightly sizes: many more examples, crash points and rounds."""
    _install(session, "tests", "install")
    session.run(
        "pytest", "--timeout=3600", *session.posargs, env={"HYPOTHESIS_PROFILE": "deep", "CFP_TEST_DEEP": "1"}
    )


@nox.session
def bench(session: nox.Session) -> None:
    """The worker beside nginx and peers: a table, and 1 where a bar is missed; `-- --quick` takes three minutes."""
    _install(session, "bench")
    if shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        if os.name != "posix" or os.geteuid() != 0 or shutil.which("apt-get") is None:
            session.error("nginx is what the worker is measured against: install it (Debian: apt-get install nginx)")
        # RUNLEVEL: the package would start a web server of its own.
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ("apt-get", "install", "-q", "-y", "--no-install-recommends", "nginx")
        session.run("apt-get", "update", "-q", external=True)
        session.run(*install, external=True, env=quiet)
    session.run("python", "-m", "tests.performance", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Coverage-guided fuzzing of every reader of foreign bytes; arguments: seconds a target (60), then targets."""
    _install(session, "tests", "fuzz")
    seconds, *targets = session.posargs or ["60"]
    for target in targets or ("request", "response", "body", "frames", "stream"):
        session.run("python", "-m", "tests.fuzz", target, seconds)


@nox.session
def soak(session: nox.Session) -> None:
    """Half an hour of mixed traffic with faults (CFP_TEST_SOAK_SECONDS says how long); the gate runs one of them."""
    _install(session, "tests")
    seconds = os.environ.get("CFP_TEST_SOAK_SECONDS", "1800")
    session.run("pytest", "-q", "tests/soak", *session.posargs, env={"CFP_TEST_SOAK_SECONDS": seconds})


@nox.session
def gateway(session: nox.Session) -> None:
    """Codex, the proxy and a real LiteLLM in a row: measures each cell of docs/gateway.md; arguments go to pytest."""
    _install(session, "tests")
    python = _litellm(session)
    environ = {"CFP_TEST_LITELLM": str(python.with_name("litellm")), "CFP_REQUIRE_GATEWAY": "1"}
    session.run("pytest", "-q", "tests/gateway", *session.posargs, env=environ)


def _litellm(session: nox.Session, *, locked: bool = True) -> Path:
    """Install LiteLLM into an environment of its own, at the locked version or the newest; return its Python."""
    place = Path(session.create_tmp()).resolve() / "litellm"
    session.run("python", "-m", "venv", *(() if locked else ("--clear",)), str(place))
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    words = ("-m", "pip", "install", "-q", *(("-c", str(GATEWAY_CONSTRAINTS)) if locked else ()), "litellm[proxy]")
    session.run(
        str(python), *words, external=True, env={"PIP_CONSTRAINT": ""}
    )  # .ci/run names our own versions there
    return python


@nox.session
def mutants(session: nox.Session) -> None:
    """Break the journal in 1,400 small ways and see that tests notice; `-- --quick 1 --part N/M` takes a sample."""
    _install(session, "tests")
    session.run("python", "-m", "tests.crash.mutants", *session.posargs)


@nox.session
def planted(session: nox.Session) -> None:
    """Plant bugs in whole commands and see that the lifecycle's state machine falsifies each."""
    _install(session, "tests")
    session.run("python", "-m", "tests.lifecycle.planted", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Renew .ci/constraints.txt and that of the gateway from the newest versions that the declared ranges allow."""
    kinds = ("lint", "tests", "install", "bench", "fuzz")
    groups = [name for kind in kinds for name in nox.project.dependency_groups(PROJECT, kind)]
    session.install("--upgrade", "-e", ".", "nox", "build", *PROJECT["build-system"]["requires"], *groups)
    for path, python in ((CONSTRAINTS, "python"), (GATEWAY_CONSTRAINTS, str(_litellm(session, locked=False)))):
        words = ("-m", "pip", "freeze", "--exclude-editable")
        frozen = session.run(python, *words, silent=True, external=True)
        first = path.read_text().splitlines()[0]
        path.write_text(f"{first}\n{frozen}")


@nox.session
def diagrams(session: nox.Session) -> None:
    """Draw the state machines in docs/architecture.md anew from their tables."""
    _install(session, "tests")
    session.run("pytest", "-q", "tests/lifecycle/test_diagrams.py", env={"CFP_TEST_WRITE_DIAGRAMS": "1"})


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take the pictures in docs/images anew, with a real browser; look at each before committing it."""
    _install(session, "tests")
    wanted = {"CFP_TEST_WRITE_SCREENSHOTS": "1", "CFP_REQUIRE_BROWSER": "1"}
    session.run("pytest", "-q", "tests/dashboard/test_screenshots.py", env=wanted)


@nox.session
def golden(session: nox.Session) -> None:
    """Write the golden results and their JSON Schemas anew; read the difference before committing it."""
    _install(session, "tests")
    for module in ("test_results", "test_schemas"):
        session.run("pytest", "-q", f"tests/contract/{module}.py", env={"CFP_TEST_WRITE_GOLDEN": "1"})


@nox.session
def reference(session: nox.Session) -> None:
    """Write docs/reference.md and README's table of identities anew, from commands, promises, messages and data."""
    _install(session, "tests")
    pages = ("tests/contract/test_reference.py", "tests/contract/test_identities.py")
    session.run("pytest", "-q", *pages, env={"CFP_TEST_WRITE_REFERENCE": "1"})
