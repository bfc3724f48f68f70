"""Homes without their record: Codex must never be left pointing at a proxy that does not run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.harness import BACKUPS, Machine
from tests.systems import WINDOWS


def lose(folder: Path) -> None:
    """Remove a folder; on Windows the lock's file that a running worker has open stays."""
    shutil.rmtree(folder, ignore_errors=WINDOWS)


@pytest.mark.parametrize("lost", ["state", "record", "both files"])
def test_an_uninstall_without_a_record_restores_the_url(machine: Machine, lost: str) -> None:
    """The backup has the provider's URL, also where that is a provider on this machine."""
    machine.relay()
    before = machine.config.read_bytes()
    machine.install()
    if lost == "state":
        lose(machine.state)
    else:
        (machine.state / "install-manifest.json").unlink()
    if lost == "both files":
        (machine.state / "settings.json").unlink()
    ran = machine.cfp("uninstall")
    assert (0, "restored_base_url") == (ran.code, ran.json["config_restore"]), ran.transcript
    assert before == machine.config.read_bytes()
    assert [] == machine.workers()


def test_a_proxy_in_use_is_not_ended_without_the_url(machine: Machine) -> None:
    """Without record and backup the user has to edit config.toml; until then the proxy and its hook stay."""
    machine.relay()
    before = machine.config.read_bytes()
    machine.install()
    lose(machine.state)
    shutil.rmtree(machine.home / BACKUPS)
    ran = machine.cfp("uninstall")
    assert (3, "proxy_unrecorded", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    assert 1 == len(machine.workers())
    assert "config_points_to_proxy" == machine.cfp("stop").json["code"]
    machine.config.write_bytes(before)
    assert 0 == machine.cfp("uninstall").code
    assert [] == machine.workers()
    assert before == machine.config.read_bytes()


@pytest.mark.posix("a folder is removed although a process has its files open")
def test_the_proxy_of_a_deleted_home_is_named_with_its_stop_command(machine: Machine) -> None:
    """Nothing is left to restore, but a worker still runs."""
    machine.relay()
    machine.install()
    (worker,) = machine.workers()
    shutil.rmtree(machine.home)
    status, doctor = machine.cfp("status").json, machine.cfp("doctor").json
    assert ("running", worker.pid, ["codex-fast-proxy stop"]) == (
        status["status"],
        status["pid"],
        status["next_commands"],
    )
    assert (worker.pid, "codex_home_deleted") == (
        doctor["pid"],
        next(check["code"] for check in doctor["checks"] if check["name"] == "codex_config"),
    )
    ran = machine.cfp("uninstall")
    assert (2, "codex_home_deleted", worker.pid) == (ran.code, ran.json["code"], ran.json["pid"]), ran.transcript
    assert "`codex-fast-proxy stop`" in ran.json["next_user_action"]
    assert 0 == machine.cfp("stop").code
    assert [] == machine.workers()
    assert "codex_home_missing" == machine.cfp("uninstall").json["code"]
    missing = machine.cfp("status").json
    assert ("stopped", "The Codex home does not exist.") == (missing["status"], missing["diagnosis"]["message"])


@pytest.mark.parametrize("damage", ["", "{}", '{"version": "0.2.0", "for'])
def test_an_uninstall_needs_no_readable_record(machine: Machine, damage: str) -> None:
    """An unreadable record is rebuilt from the backup, and removed."""
    machine.relay()
    before = machine.config.read_bytes()
    machine.install()
    (machine.state / "install-manifest.json").write_text(damage)
    (machine.state / "settings.json").write_text(damage)
    assert "manifest_invalid" == machine.cfp("install", "--start").json["code"]
    ran = machine.cfp("uninstall")
    assert (0, "restored_base_url") == (ran.code, ran.json["config_restore"]), ran.transcript
    assert before == machine.config.read_bytes()
    assert [] == machine.workers()
    assert not machine.state.exists()


def test_a_lost_home_names_its_problem_and_its_remedy(machine: Machine) -> None:
    """Our URL is never mistaken for the provider's; with the provider's own, install and uninstall work again."""
    machine.relay()
    before = machine.config.read_bytes()
    machine.install()
    assert 0 == machine.cfp("stop", "--force").code
    shutil.rmtree(machine.state)
    shutil.rmtree(machine.home / BACKUPS)
    broken = machine.config.read_bytes()
    for words in (("recover", "--dry-run"), ("recover",), ("install", "--start"), ("install", "--dry-run")):
        ran = machine.cfp(*words)
        assert (3, "proxy_unrecorded", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    status = machine.cfp("status").json
    assert ("drifted", "unrecorded", "risk") == (
        status["state"],
        status["diagnosis"]["code"],
        status["diagnosis"]["level"],
    )
    assert ["codex-fast-proxy install --start --upstream-base URL"] == status["next_commands"]
    codes = {check["name"]: check["code"] for check in machine.cfp("doctor").json["checks"]}
    assert "proxy_unrecorded" == codes["codex_config"]
    assert broken == machine.config.read_bytes()
    machine.install("--upstream-base", machine.upstream.base_url)
    assert (0, "restored") == ((ran := machine.cfp("uninstall")).code, ran.json["config_restore"]), ran.transcript
    flag = b"\n[features]\nhooks = true\n"  # its owner is unknown by now
    assert before + flag == machine.config.read_bytes()
    assert not machine.hooks.exists()


def test_an_unused_proxy_is_started_and_says_so(machine: Machine) -> None:
    """Its settings are saved, so `start` starts it, and names the missing steps for Codex to use it."""
    machine.relay()
    assert 0 == machine.cfp("install", "--prepare-only", "--no-verify", "--port", str(machine.port)).code
    ran = machine.cfp("start")
    assert (0, "started") == (ran.code, ran.json["status"])
    assert "does not point at it" in ran.json["message"]
    assert "codex-fast-proxy install --start" in ran.json["next_user_action"]
    assert 0 == machine.cfp("stop").code


def test_a_proxy_whose_record_is_lost_is_started_and_says_so(machine: Machine) -> None:
    """Codex points at it and works again; `recover` is the remedy for the rest."""
    machine.relay()
    machine.install()
    assert 0 == machine.cfp("stop", "--force").code
    (machine.state / "install-manifest.json").unlink()
    ran = machine.cfp("start")
    assert (0, "started") == (ran.code, ran.json["status"])
    assert "codex-fast-proxy recover" in ran.json["next_user_action"]
    assert "repaired" == machine.cfp("recover").json["status"]


@pytest.mark.parametrize("gone", [(), ("settings.json",)], ids=["deferred", "cut short"])
def test_an_unfinished_uninstall_has_one_next_command(machine: Machine, gone: tuple[str, ...]) -> None:
    """`status` and `doctor` name the same command after a deferred or killed uninstall, and it completes it."""
    machine.relay()
    machine.install()
    assert 0 == machine.cfp("uninstall", "--defer-stop").code
    for name in gone:
        (machine.state / name).unlink()
    assert "No command was interrupted" in machine.cfp("recover").json["message"]
    status, doctor = machine.cfp("status").json, machine.cfp("doctor").json
    assert ("restored_deferred", ["codex-fast-proxy uninstall"]) == (status["state"], status["next_commands"])
    assert status["next_user_action"] == doctor["next_user_action"]
    assert 0 == machine.cfp("uninstall").code
    assert ([], False) == (machine.workers(), machine.state.exists())


def test_a_config_that_stopped_parsing_keeps_its_proxy(machine: Machine) -> None:
    """Codex read it before and will again: `stop` refuses, the hook starts the worker, `status` names the error."""
    machine.relay()
    machine.install()
    whole = machine.config.read_bytes()
    machine.config.write_bytes(whole + b"a = [\n")
    status = machine.cfp("status").json
    assert ("enabled", "config_unparseable", "risk") == (
        status["state"],
        status["diagnosis"]["code"],
        status["diagnosis"]["level"],
    )
    assert ["codex-fast-proxy doctor"] == status["next_commands"]
    assert "config_points_to_proxy" == machine.cfp("stop").json["code"]
    assert "already_running" == machine.cfp("autostart").json["status"]
    assert "config_unparseable" == machine.cfp("uninstall").json["code"]
    machine.config.write_bytes(whole)
    assert "restored" == machine.cfp("uninstall").json["config_restore"]
