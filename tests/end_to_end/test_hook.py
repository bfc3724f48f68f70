"""The SessionStart hook, run by the real Codex."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfp.codex import hook_trust
from cfp.codex.app_server.answers import HookEntry
from cfp.demo.scripted_turns import ScriptedTurn
from cfp.host.codex_cli import find_codex
from tests.end_to_end.harness import STATE, Machine, api_key_login
from tests.sentinels import kill_for_good
from tests.traps import Traps, all_hostile


def _installed(machine: Machine) -> Machine:
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()
    return machine


def _kill(machine: Machine) -> int:
    """End the worker without a word, as a crash does; return its pid."""
    (worker,) = machine.workers()
    kill_for_good([worker])
    assert [] == machine.workers()
    return worker.pid


def _hooks(machine: Machine) -> tuple[HookEntry, ...]:
    environ = machine.environment()
    cli = find_codex(environ, Path(environ.get("CODEX_HOME") or machine.home), program=machine.codex)
    assert cli is not None
    return cli.answers(machine.work).hooks


def test_a_dead_worker_is_revived_in_time(codex: Machine) -> None:
    """After kill -9 the next session's first turn succeeds, through a new worker."""
    _installed(codex)
    dead = _kill(codex)
    assert "priority" == codex.turn().json()["service_tier"]
    (worker,) = codex.workers()
    assert dead != worker.pid


def test_sessions_at_once_start_one_worker(codex: Machine) -> None:
    """Three sessions find the worker dead together: all their turns succeed, and one worker serves them."""
    _installed(codex)
    _kill(codex)
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: codex.codex_exec(), range(3)))
    assert [(0, ScriptedTurn().text)] * 3 == [(ran.code, ran.stdout.strip()) for ran in runs]
    assert 1 == len(codex.workers())


def test_codex_trusts_the_hook(codex: Machine) -> None:
    """Codex itself lists the one hook as enabled and trusted, and `status` agrees."""
    _installed(codex)
    assert [("sessionStart", True, "trusted")] == [
        (hook.event, hook.enabled, hook.trust_status) for hook in _hooks(codex)
    ]
    assert codex.cfp("status").json["startup_hook"] is True


def test_a_hook_of_0_2_0_is_named_and_written_anew(codex: Machine) -> None:
    """It is ours, trusted, and works, but PYTHONPATH reaches it; Codex trusts the one that replaces it."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    before = codex.config.read_bytes()
    codex.install()
    handler = json.loads(codex.hooks.read_text())["hooks"]["SessionStart"][0]["hooks"][0]
    command = handler["command"]
    former = f"{sys.executable} -P -m codex_fast_proxy {command.partition(' codex_fast_proxy ')[2]}"
    hashes = [hook_trust.trusted_hash({**handler, "command": each}, None) for each in (command, former)]
    for path in (codex.hooks, codex.config, codex.state / "install-manifest.json"):
        text = path.read_bytes()
        for old, new in ((json.dumps(command)[1:-1], json.dumps(former)[1:-1]), hashes):
            text = text.replace(old.encode(), new.encode())
        path.write_bytes(text)
    assert ["trusted"] == [hook.trust_status for hook in _hooks(codex)]
    assert "startup_hook_not_isolated" == codex.cfp("status").json["diagnosis"]["code"]
    assert "updated" == codex.install().json["startup_hook"]["status"]
    assert [(command, "trusted")] == [(hook.command, hook.trust_status) for hook in _hooks(codex)]
    assert "ready" == codex.cfp("status").json["diagnosis"]["code"]
    assert 0 == codex.cfp("uninstall").code
    assert (before, False) == (codex.config.read_bytes(), codex.hooks.exists())


def _plain(machine: Machine) -> None:
    """~/.codex, found by itself."""


def _named(machine: Machine) -> None:
    machine.environ["CODEX_HOME"] = str(machine.home)


def _with_a_slash(machine: Machine) -> None:
    machine.environ["CODEX_HOME"] = f"{machine.home.parent}/../{machine.home.parent.name}/.codex/"


def _linked(machine: Machine) -> None:
    real = machine.root / "elsewhere"
    machine.home.rename(real)
    machine.home.symlink_to(real)


def _named_by_a_link(machine: Machine) -> None:
    link = machine.root / "link"
    link.symlink_to(machine.home)
    machine.environ["CODEX_HOME"] = str(link)


def _with_odd_names(machine: Machine) -> None:
    odd = machine.root / "my codéx $HOME 'quoted'"
    machine.home.rename(odd)
    machine.home.symlink_to(odd)
    machine.environ["CODEX_HOME"] = str(odd)


LINK = pytest.mark.posix("a symbolic link, for which a user of Windows has no right")
SPELLINGS = [_plain, _named, _with_a_slash]
SPELLINGS += [pytest.param(one, marks=LINK) for one in (_linked, _named_by_a_link, _with_odd_names)]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.__name__.strip("_"))
def test_trust_holds_however_the_home_is_spelled(codex: Machine, spelling: Callable[[Machine], None]) -> None:
    """Codex keys its trust by the home as it spells it; ours must be that spelling, or the hook never runs."""
    spelling(codex)
    _installed(codex)
    assert ["trusted"] == [hook.trust_status for hook in _hooks(codex)]
    _kill(codex)
    assert "priority" == codex.turn().json()["service_tier"]
    assert 0 == codex.cfp("uninstall").code
    assert () == _hooks(codex)


def test_a_hook_of_somebody_else_keeps_its_trust(codex: Machine) -> None:
    """Ours comes last, so that the keys of the others stay what they are."""
    theirs = {"type": "command", "command": "true", "timeout": 5}
    codex.write("hooks.json", json.dumps({"hooks": {"SessionStart": [{"hooks": [theirs]}]}}))
    codex.relay()
    codex.write("auth.json", api_key_login())
    (before,) = _hooks(codex)
    codex.trust(theirs)
    codex.install()
    first, second = _hooks(codex)
    assert ("true", "trusted", before.key) == (first.command, first.trust_status, first.key)
    assert "trusted" == second.trust_status
    assert codex.cfp("uninstall").code == 0
    assert [("true", "trusted")] == [(hook.command, hook.trust_status) for hook in _hooks(codex)]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PYTHONPATH": os.pathsep},
        {"PYTHONPATH": f".{os.pathsep}/nonexistent"},
        {"PYTHONHOME": "/nonexistent"},
        pytest.param({"PYTHONEXECUTABLE": "bin/python"}, marks=pytest.mark.posix("a line that unsets a variable")),
        None,
    ],
    ids=["none", "empty entry", "relative entry", "home", "executable", "all"],
)
def test_nothing_of_the_session_folder_is_run(codex: Machine, environ: dict[str, str] | None) -> None:
    """Neither hook nor worker runs a module of the session's folder, and the first turn succeeds."""
    _installed(codex)
    traps = Traps(codex.root)
    codex.work.rmdir()
    traps.folder.rename(codex.work)
    _kill(codex)
    hostile = all_hostile(codex.work) if environ is None else environ
    codex.environ |= hostile
    assert "priority" == codex.turn().json()["service_tier"]
    (worker,) = codex.workers()
    assert ("", codex.home.anchor) == (traps.sprung, worker.cwd())


def test_the_traps_work(machine: Machine) -> None:
    """Python runs them without our flags: by its current folder, by PYTHONPATH and as an environment."""
    traps = Traps(machine.root)
    for flags, environ in (
        ((), {}),
        (("-P",), {"PYTHONPATH": os.pathsep}),
        (("-I",), {"PYTHONEXECUTABLE": "bin/python"}),
    ):
        before = traps.sprung
        command = [sys.executable, *flags, "-c", "import json"]
        subprocess.run(
            command, cwd=traps.folder, check=False, capture_output=True, env=machine.environment() | environ
        )
        assert before != traps.sprung


def test_a_session_with_a_living_worker_leaves_no_trace(codex: Machine) -> None:
    """The hook's no-op writes nothing: every file of ours is as it was, but for the worker's own of the turns."""
    _installed(codex)
    codex.turn()
    before = _ours(codex)
    codex.turn()
    assert before == _ours(codex)


def test_the_no_op_is_light(machine: Machine) -> None:
    """Every session pays for the hook: while the proxy runs, it imports the standard library's small modules only."""
    machine.relay()
    machine.install()
    words = machine.hook_words()
    python = words.index("-I")
    ran = machine.run([*words[:python], "-X", "importtime", *words[python:]], timeout=30)
    imported = {
        line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")
    }
    heavy = {
        "argparse",
        "asyncio",
        "dataclasses",
        "httpx",
        "msgspec",
        "psutil",
        "structlog",
        "tomlkit",
        "transitions",
    }
    assert (0, "") == (ran.code, ran.stdout)
    assert "cfp.fastpath" in imported
    assert set() == heavy & imported


def _ours(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """The files of the home, but for what the worker writes of the turns themselves."""
    of_turns = {str(Path(STATE) / "state" / name) for name in ("fast_proxy.jsonl", "fast_proxy.tiers.json")}
    return {name: entry for name, entry in machine.files().items() if name not in of_turns}


def test_a_provider_that_moved_away_is_left_alone(codex: Machine) -> None:
    """The hook starts nothing once the user's provider points elsewhere."""
    _installed(codex)
    _kill(codex)
    here = f"http://127.0.0.1:{codex.port}/v1"
    codex.write("config.toml", codex.config.read_text().replace(here, codex.upstream.base_url))
    assert "service_tier" not in codex.turn().json()
    assert [] == codex.workers()
