"""Hooks that Codex does not run, or that start nothing: status, doctor and install say so, and what mends it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.end_to_end.harness import STATE, Machine, api_key_login

STOP = {"type": "http", "url": "http://x.example"}


def at_home(machine: Machine) -> None:
    """Give the home a provider and a login, with which nothing is left to do."""
    machine.relay()
    machine.write("auth.json", api_key_login())


def checks(machine: Machine) -> dict[str, tuple[bool, str]]:
    answer = machine.cfp("doctor").json
    return {check["name"]: (check["ok"], check["code"]) for check in answer["checks"]}


def hook_of(machine: Machine) -> tuple[str, bool, bool]:
    """Return the diagnosis of status and its two words on the hook."""
    status = machine.cfp("status").json
    return status["diagnosis"]["code"], status["startup_hook"], status["startup_hook_trust"]["ready"]


def test_codex_switches_hooks_off(codex: Machine) -> None:
    """`codex features disable hooks` does so; a second install switches them on, and Codex runs the hook."""
    at_home(codex)
    assert codex.install().json["startup_hook"]["runs"] is True
    assert ("ready", True, True) == hook_of(codex)
    assert codex.codex is not None
    assert codex.run([str(codex.codex), "features", "disable", "hooks"], timeout=30).code == 0
    assert ("hooks_disabled", False, False) == hook_of(codex)
    assert {(False, "hooks_disabled")} == {checks(codex)[name] for name in ("hooks_enabled", "startup_hook")}
    assert "hooks_opt_out_overridden" in codex.install().json["warnings"]
    assert ("ready", True, True) == hook_of(codex)


def test_a_handler_that_codex_does_not_know_comes_later(codex: Machine) -> None:
    """Codex drops the whole file, ours with it, as its app-server says."""
    at_home(codex)
    codex.install()
    hooks = json.loads(codex.hooks.read_text())
    hooks["hooks"]["Stop"] = [{"hooks": [STOP]}]
    codex.hooks.write_text(json.dumps(hooks))
    assert ("hooks_file_refused", False, False) == hook_of(codex)
    assert checks(codex)["startup_hook"] == (False, "hooks_file_refused")
    assert "unknown variant `http`" in codex.cfp("status").json["diagnosis"]["message"]
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, "hooks_unparseable") == (ran.code, ran.json["code"])
    assert codex.cfp("uninstall").code == 0


def test_codex_does_not_trust_the_hook_any_more(codex: Machine) -> None:
    """The hash in config.toml is another one."""
    at_home(codex)
    codex.install()
    codex.config.write_text(codex.config.read_text().replace("sha256:", "sha256:0"))
    assert ("startup_hook_not_ready", False, False) == hook_of(codex)
    assert checks(codex)["startup_hook"] == (False, "startup_hook_untrusted")


def environment_in(folder: Path) -> Path:
    """Make a virtual environment with this program, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    (site,) = {*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")}
    (site / "this.pth").write_text(f"{REPOSITORY}\n{sysconfig.get_path('purelib')}\n")
    return python


@pytest.mark.posix("the removal of a program that runs")
def test_the_hooks_python_is_removed(machine: Machine) -> None:
    """An upgrade of pyenv, pipx, uv or Homebrew removes it: one command mends it, and a look shows that it did."""
    at_home(machine)
    python = environment_in(machine.root / "venv")
    words = ["-P", "-m", "codex_fast_proxy", "install", "--start", "--port", str(machine.port)]
    installed = machine.run([str(python), *words], timeout=60)
    assert installed.code == 0, installed.transcript
    assert hook_of(machine)[1:] == (True, True)
    shutil.rmtree(machine.root / "venv")
    status = machine.cfp("status").json
    assert ("startup_hook_program_broken", False) == (status["diagnosis"]["code"], status["startup_hook"])
    assert f"{python.parent}{os.sep}" in status["diagnosis"]["message"]
    assert "is not there any more" in status["diagnosis"]["message"]
    assert checks(machine)["startup_hook"] == (False, "startup_hook_program_broken")
    (command,) = status["next_commands"]
    assert command.startswith("codex-fast-proxy install --start")
    machine.install()
    assert ("ready", True, True) == hook_of(machine)


@pytest.mark.posix("the removal of a program that runs")
def test_the_hooks_python_lacks_this_program(machine: Machine) -> None:
    """It starts, and then finds no module: no file is missing that a look would notice."""
    at_home(machine)
    python = environment_in(machine.root / "venv")
    machine.run(
        [str(python), "-P", "-m", "codex_fast_proxy", "install", "--start", "--port", str(machine.port)], timeout=60
    )
    for path in machine.root.glob("venv/lib/python*/site-packages/this.pth"):
        path.unlink()
    status = machine.cfp("status").json
    assert ("startup_hook_program_broken", False) == (status["diagnosis"]["code"], status["startup_hook"])
    assert "No module named" in status["diagnosis"]["message"]


@pytest.mark.posix("the place of uv's cache")
def test_an_install_from_a_cache(machine: Machine) -> None:
    """`uvx` runs it there: what writes the program's path elsewhere refuses, and names the line that installs it."""
    at_home(machine)
    before = machine.config.read_bytes()
    python = environment_in(machine.root / "user" / ".cache" / "uv" / "archive-v0" / "4JXQGwl8uXNV6di8")
    for verb in (["install", "--start"], ["install", "--dry-run"], ["link-skill"]):
        ran = machine.run([str(python), "-P", "-m", "codex_fast_proxy", *verb], timeout=60)
        assert (2, "program_place_temporary", False) == (ran.code, ran.json["code"], ran.json["changed"])
        assert "`uv tool install codex-fast-proxy`" in ran.json["next_user_action"]
    checks = machine.run([str(python), "-P", "-m", "codex_fast_proxy", "doctor"], timeout=60).json["checks"]
    assert ["program_place_temporary"] == [check["code"] for check in checks if not check["ok"]]
    assert before == machine.config.read_bytes()
    assert not (machine.home / STATE).exists()
    assert not (machine.root / "user" / ".agents").exists()
    machine.environ["TMPDIR"] = str(machine.root)  # as in the demo: the home goes as well
    assert machine.run([str(python), "-P", "-m", "codex_fast_proxy", "install", "--dry-run"], timeout=60).code == 0


@pytest.mark.posix("a temporary folder in the environment")
def test_an_install_from_a_temporary_folder(machine: Machine) -> None:
    """Refused for a home that stays; a home in the same folder goes with the program, and gets a warning."""
    at_home(machine)
    python = environment_in(machine.root / "tmp" / "venv")
    words = [str(python), "-P", "-m", "codex_fast_proxy", "install", "--start", "--port", str(machine.port)]
    machine.environ["TMPDIR"] = str(machine.root / "tmp")
    ran = machine.run(words, timeout=60)
    assert (2, "program_place_temporary") == (ran.code, ran.json["code"])
    machine.environ["TMPDIR"] = str(machine.root)
    ran = machine.run(words, timeout=60)
    assert (0, ["startup_hook_python_temporary"]) == (ran.code, ran.json["warnings"])


@pytest.mark.posix("a program in the place of Codex")
def test_how_often_codex_is_asked(codex: Machine) -> None:
    """Status asks in one process, and the hook never does: it has no time for that."""
    folder, log = codex.root / "bin", codex.root / "asked"
    folder.mkdir()
    (folder / "codex").write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{codex.codex}" "$@"\n')
    (folder / "codex").chmod(0o755)
    codex.environ["PATH"] = f"{folder}:{codex.environ['PATH']}"
    at_home(codex)
    codex.install()
    log.write_text("")
    assert codex.cfp("autostart", "--quiet").code == 0
    assert codex.cfp("start").code == 0
    assert log.read_text() == ""
    assert codex.cfp("status").json["diagnosis"]["code"] == "ready"
    (line,) = log.read_text().splitlines()
    assert line.startswith("app-server") or line.endswith("app-server")
