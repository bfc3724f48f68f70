"""The environment of the demo's programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfp.demo.home import DemoHome
from cfp.variables import OF_WINDOWS


def test_a_program_finds_the_demo_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable that leads to a home or to temporary files leads into the demo; the system's own are kept."""
    for name in OF_WINDOWS:
        monkeypatch.setenv(name, "kept")
    monkeypatch.setenv("CODEX_HOME", "/elsewhere")
    environ = DemoHome(root=tmp_path).environ()
    assert str(tmp_path / "home" / ".codex") == environ["CODEX_HOME"]
    assert {str(tmp_path / "home")} == {environ["HOME"], environ["USERPROFILE"]}
    assert {str(tmp_path)} == {environ["TMPDIR"], environ["TEMP"], environ["TMP"]}
    assert {"kept"} == {environ[name] for name in OF_WINDOWS}
