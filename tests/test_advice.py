"""A command that an answer names acts on the home that the answer is about."""

from __future__ import annotations

from pathlib import Path

from cfp.advice import home_flag
from cfp.layout import Layout


def test_the_usual_home_needs_no_flag(tmp_path: Path) -> None:
    """`~/.codex` is what a command means by itself, by whatever name it is reached."""
    environ = {"HOME": str(tmp_path)}
    (tmp_path / "link").symlink_to(tmp_path / ".codex")
    assert "" == home_flag(Layout(tmp_path / ".codex"), environ)
    assert "" == home_flag(Layout(tmp_path / "link"), environ)
    assert f" --codex-home '{tmp_path}/my home'" == home_flag(Layout(tmp_path / "my home"), environ)
