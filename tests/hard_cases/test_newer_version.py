"""A home that a newer version of this program has changed: what its files mean is not known here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cfp.codex.config_toml import parse
from cfp.core.provider import provider_url
from journal.codec import frame
from tests.scenes import ENVIRON, INSTALL, MOVE, photograph, plain
from tests.staged import Stage

NEWER = "9.9.9"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An enabled home."""
    made = Stage(root=tmp_path / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    assert made.run(*INSTALL).code == 0
    return made


def test_a_newer_manifest_is_refused_by_name(stage: Stage) -> None:
    """Nothing is changed, and the version is named; --force gives the provider's URL back, from the backup."""
    (backup,) = stage.layout.backups.glob("*.bak")
    manifest = stage.layout.manifest
    known = manifest.read_bytes()
    manifest.write_text(json.dumps({**json.loads(known), "format": 3, "version": NEWER}))
    before = photograph(stage).everything()
    for words in (INSTALL, (*INSTALL, "--dry-run"), MOVE, ("uninstall",), ("prepare-chatgpt-login",)):
        answer = stage.run(*words)
        assert (2, "record_of_newer_version", False) == (answer.code, answer.json["code"], answer.json["changed"]), (
            words
        )
        assert NEWER in answer.json["error"]
    assert "record_of_newer_version" == stage.run("status").json["diagnosis"]["code"]
    (check,) = (check for check in stage.run("doctor").json["checks"] if check["name"] == "home_owner")
    assert (False, "record_of_newer_version") == (check["ok"], check["code"])
    assert ("clean", before) == (stage.run("recover").status, photograph(stage).everything())
    record = manifest.read_bytes()
    forced = stage.run("uninstall", "--force")
    (aside,) = stage.layout.backups.glob("install-manifest.*.json")
    assert (0, record, False) == (forced.code, aside.read_bytes(), manifest.exists())
    assert str(aside) in forced.json["message"]
    assert f"put {aside} back as {manifest}" in forced.json["next_user_action"]
    assert f"`codex-fast-proxy uninstall` with version {NEWER}" in forced.json["next_user_action"]
    urls = [provider_url(parse(path.read_bytes()), "relay") for path in (backup, stage.layout.config)]
    assert urls[0] == urls[1] is not None
    manifest.parent.mkdir()
    manifest.write_bytes(known)  # as the version would read it that knows the record
    assert (0, backup.read_bytes()) == (stage.run("uninstall").code, stage.layout.config.read_bytes())
    assert stage.run(*INSTALL).code == 0


def test_a_newer_journal_record_is_refused_by_name(stage: Stage) -> None:
    """Its transaction is neither undone nor finished here, and not called damaged."""
    record = stage.layout.journal / "20260102T030405Z-00000000.open"
    record.write_bytes(frame(0, {"t": "begin", "v": 2}))
    before = photograph(stage).everything()
    for words in (
        INSTALL,
        MOVE,
        ("uninstall",),
        ("recover",),
        ("recover", "--dry-run"),
        ("journal", "show", record.stem),
    ):
        answer = stage.run(*words)
        assert (6, "journal_of_newer_version") == (answer.code, answer.json["code"]), (words, answer.out)
        assert str(record) in answer.json["error"]
    assert before == photograph(stage).everything()
