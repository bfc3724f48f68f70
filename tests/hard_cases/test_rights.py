"""The rights of the user's own files stay as they are; what the program makes is its user's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from journal import private
from tests.access import give_to_all, others_may_read
from tests.scenes import ENVIRON, INSTALL, MOVE, plain
from tests.staged import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A plain home in which everybody may read every file, and a new file too."""
    made = Stage(root=tmp_path / "stage", environ=ENVIRON)
    made.home.parent.mkdir(parents=True)
    plain(made)
    for path in (made.home, made.home / "config.toml"):
        give_to_all(path)
    return made


@pytest.mark.parametrize("open_to_all", [True, False])
def test_config_toml_keeps_its_rights(stage: Stage, open_to_all: bool) -> None:  # noqa: FBT001 - a parameter
    """Through install, a change of the settings and uninstall, whether others may read it or not."""
    config = stage.home / "config.toml"
    if not open_to_all:
        private.make_private(config)
    for words in (INSTALL, (*MOVE, "--restart"), ("uninstall",)):
        answer = stage.run(*words)
        assert answer.code == 0, answer.text
        assert open_to_all is others_may_read(config), words


def test_what_the_program_makes_is_private(stage: Stage) -> None:
    """Settings, record, backup and the saved key, their folders, and a hooks.json that was not there."""
    for words in (INSTALL, ("prepare-chatgpt-login", "--apply")):
        assert stage.run(*words).code == 0
    layout = stage.layout
    made = [path for folder in layout.own_folders for path in (folder, *folder.iterdir())]
    assert layout.provider_auth in made
    assert [] == [path for path in (layout.hooks, *made) if others_may_read(path) and path.suffix != ".lock"]
