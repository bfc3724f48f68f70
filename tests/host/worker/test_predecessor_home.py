"""Coming from codex-fast-proxy 0.1.0: its home is read, taken over, given back; its leftovers are mended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cfp.codex import config_toml
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.manifest import ManifestState
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.repair import plan_recovery, plan_repair
from cfp.core.plan.uninstall import ConfigRestore, UninstallRequest, plan_uninstall
from cfp.core.state import State, state_of
from cfp.host.survey import survey
from cfp.layout import Layout
from tests.facts import after
from tests.ports import free_port
from tests.predecessor import BEFORE, lay_out


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return lay_out(tmp_path, free_port())


def read_facts(layout: Layout) -> Facts:
    return replace(survey(layout, {"RELAY_KEY": "x"}), codex_version=(0, 169, 0))


def test_its_home_is_understood(layout: Layout) -> None:
    """Enabled, with a trusted hook, and no worker running."""
    facts = read_facts(layout)
    assert State.ENABLED_DOWN == state_of(facts)
    assert "proxy_stopped" == diagnose(facts).code
    assert [True] == [entry.runs for entry in facts.hook_entries]


def test_an_uninstall_gives_the_original_bytes_back(layout: Layout) -> None:
    """From its own backup; the hooks.json that it made goes with its hook."""
    facts = read_facts(layout)
    undo = plan_uninstall(facts, UninstallRequest())
    contents = {change.path.name: change.after for change in undo.changes}
    assert (ConfigRestore.RESTORED, ()) == (undo.config_restore, undo.conflicts)
    assert BEFORE == contents["config.toml"]
    assert contents["hooks.json"] is None


def test_an_install_takes_it_over(layout: Layout) -> None:
    """The baseline is the user's original, and the hook is replaced by ours, without a matcher."""
    facts = read_facts(layout)
    plan = plan_install(facts, RouteRequest())
    contents = {change.path: change.after for change in plan.changes}
    hooks = json.loads(contents[layout.hooks])["hooks"]["SessionStart"]
    assert [["hooks"]] == [sorted(group) for group in hooks]
    backups = [content for path, content in contents.items() if path.match("config.toml.*.bak")]
    assert backups in ([], [BEFORE])
    doc = config_toml.parse(contents[layout.config])
    assert [f"{layout.hooks}:session_start:0:0"] == list(doc["hooks"]["state"])
    assert "updated" == plan.hook.status
    manifest = json.loads(contents[layout.manifest])
    assert facts.manifest.config.hash_before == manifest["config_hash_before"]


def test_after_the_takeover_an_uninstall_gives_the_original_bytes_back(layout: Layout) -> None:
    """An uninstall after the takeover restores the files from before 0.1.0."""
    facts = read_facts(layout)
    plan = plan_install(facts, RouteRequest())
    for change in plan.changes:
        change.path.parent.mkdir(parents=True, exist_ok=True)
        change.path.write_bytes(change.after)
    undo = plan_uninstall(read_facts(layout), UninstallRequest())
    contents = {change.path.name: change.after for change in undo.changes}
    assert (BEFORE, None) == (contents["config.toml"], contents["hooks.json"])


def test_the_users_edits_since_survive(layout: Layout) -> None:
    """Only keys that 0.1.0 set go back."""
    layout.config.write_bytes(layout.config.read_bytes() + b"\n[tui]\nx = 1\n")
    undo = plan_uninstall(read_facts(layout), UninstallRequest())
    contents = {change.path.name: change.after for change in undo.changes}
    assert {**config_toml.parse(BEFORE), "tui": {"x": 1}} == config_toml.parse(contents["config.toml"])


@pytest.mark.parametrize("lost", ["manifest", "manifest and settings"])
def test_leftovers_are_mended_from_the_newest_usable_backup(layout: Layout, lost: str) -> None:
    """Config points at a proxy that nothing records: the URL and flags of the backup come back, the hook goes."""
    (layout.backups / "config.toml.20270101-000000.bak").write_bytes(
        layout.config.read_bytes()
    )  # points at us: useless
    layout.manifest.unlink()
    if "settings" in lost:
        layout.settings.unlink()
    facts = read_facts(layout)
    assert "unrecorded" == diagnose(facts).code
    repair = plan_repair(facts)
    assert repair is not None
    assert ("https://relay.example/v1", "config.toml.20260102-030405.bak") == (repair.url, Path(repair.source).name)
    mended = after(facts, repair.changes)
    assert config_toml.parse(BEFORE) == mended.config.doc
    assert mended.hooks.data is None
    assert plan_repair(replace(mended, backup_contents=facts.backup_contents, layout=layout)) is None


def test_lost_settings_are_mended_by_the_record(layout: Layout) -> None:
    """No proxy can start without them: recover gives the user's own bytes back, and says where they come from."""
    layout.settings.unlink()
    facts = read_facts(layout)
    assert "unrecorded" == diagnose(facts).code
    repair = plan_recovery(facts)
    assert repair is not None
    assert ("https://relay.example/v1", facts.manifest.backup_path) == (repair.url, repair.source)
    mended = after(facts, repair.changes)
    assert (BEFORE, None) == (mended.config.data, mended.hooks.data)
    assert ManifestState.RESTORED is mended.manifest.state
    assert plan_recovery(mended) is None


def test_a_dead_default_address_is_ours(layout: Layout) -> None:
    """0.1.0 could delete everything but the URL: at its default port, with nobody there, that is recognised."""
    for path in (layout.manifest, layout.settings, layout.hooks):
        path.unlink()
    layout.config.write_bytes(BEFORE.replace(b"https://relay.example/v1", b"http://127.0.0.1:8787/v1"))
    free = PortFact(host="127.0.0.1", port=8787, state=PortState.FREE)
    facts = replace(read_facts(layout), default_address=None)
    repair = plan_repair(replace(facts, candidate=free))
    assert repair is not None
    assert "https://relay.example/v1" == repair.url
    assert repair == plan_repair(replace(facts, default_address=free))  # of a home that would now take another port
    assert plan_repair(replace(facts, candidate=replace(free, state=PortState.FOREIGN))) is None


def test_without_a_backup_the_settings_tell_the_url(layout: Layout) -> None:
    """And without either, nothing is guessed."""
    layout.manifest.unlink()
    for backup in layout.backups.iterdir():
        backup.unlink()
    repair = plan_repair(read_facts(layout))
    assert repair is not None
    assert ("https://relay.example/v1", "settings.json") == (repair.url, repair.source)
    layout.settings.unlink()
    assert plan_repair(read_facts(layout)) is None


def test_a_loopback_provider_of_the_users_is_no_leftover(layout: Layout) -> None:
    """A model server on this machine looks like a proxy: backups of an earlier installation are no evidence."""
    for path in (layout.manifest, layout.settings, layout.hooks):
        path.unlink()
    layout.config.write_bytes(BEFORE.replace(b"https://relay.example/v1", b"http://127.0.0.1:11434/v1"))
    facts = read_facts(layout)
    assert plan_repair(facts) is None
    assert "not_enabled" == diagnose(facts).code
