"""Files that others may read: named by doctor, and made private by the next command that writes."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfp.cli import Streams, main
from cfp.layout import Layout
from tests.access import give_to_all, others_may_read


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A Codex home that everybody can reach, with a saved key and a backup that everybody may read."""
    above = Path(tempfile.mkdtemp())
    home = Layout(above / ".codex")
    for folder in (home.worker, home.backups):
        folder.mkdir(parents=True)
    for path in (home.config, home.auth, home.provider_auth, home.backups / "config.toml.20260101T000000000000Z.bak"):
        path.write_bytes(b"{}" if path.suffix == ".json" else b"")
    for path in (above, *above.rglob("*")):
        give_to_all(path)
    yield home
    shutil.rmtree(above)


def answer(layout: Layout, verb: str) -> Any:
    out = io.StringIO()
    environ = {"HOME": str(layout.home.parent), "PATH": "/nowhere"}
    main((verb, "--codex-home", str(layout.home)), environ, Streams(out=out, err=io.StringIO()))
    return json.loads(out.getvalue())


def private_files(layout: Layout) -> Any:
    return next(check for check in answer(layout, "doctor")["checks"] if check["name"] == "private_files")


def test_open_files_are_named_and_made_private(layout: Layout) -> None:
    """The remedy that doctor names is enough; Codex's own file is advice, and nobody changes it."""
    check = private_files(layout)
    assert "files_open_to_others" == check["code"]
    assert ["Everyone"] == check["evidence"]["readers"]
    assert {str(layout.provider_auth), str(layout.backups / "config.toml.20260101T000000000000Z.bak")} <= {
        *check["evidence"]["paths"]
    }
    assert "recover" in check["fix"]
    answer(layout, "recover")
    assert not others_may_read(layout.provider_auth)
    check = private_files(layout)
    assert (True, "codex_files_open_to_others", [str(layout.auth)]) == (
        check["ok"],
        check["code"],
        check["evidence"]["paths"],
    )
    assert others_may_read(layout.auth)


def test_looking_changes_no_right(layout: Layout) -> None:
    """Status, doctor and a dry run leave every file as it is."""
    for line in ("status", "doctor", "recover --dry-run"):
        verb, *flags = line.split()
        main(
            (verb, "--codex-home", str(layout.home), *flags),
            {"PATH": "/nowhere"},
            Streams(out=io.StringIO(), err=io.StringIO()),
        )
        assert others_may_read(layout.provider_auth)
