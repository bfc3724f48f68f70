"""Completion scripts: real shells accept them, and they know every verb and flag."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cfp.commands import COMMANDS
from cfp.commands.completion import Args, menu, run
from cfp.core.settings import Policy
from cfp.host.home import Host
from cfp.layout import Layout


def script(shell: str) -> str:
    return run(Args(shell=shell), Host(layout=Layout(Path("/nowhere")), environ={}, python="python")).text


def test_every_verb_has_its_flags() -> None:
    """The menu is read from the commands themselves."""
    known = menu()
    assert list(COMMANDS) == list(known)
    assert tuple(Policy) == known["install"].flags["--service-tier-policy"]
    assert ("list", "show") == known["journal"].words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_every_verb_and_flag(shell: str) -> None:
    """Whatever its syntax."""
    text = script(shell)
    for verb, of in menu().items():
        assert verb in text
        assert all(flag.lstrip("-") in text for flag in of.flags)


@pytest.mark.posix("shells that complete by a script")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_it(shell: str, tmp_path: Path) -> None:
    """Checked where that shell is installed."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "completion"
    path.write_text(script(shell))
    assert 0 == subprocess.run([program, "-n", str(path)], check=False).returncode


@pytest.mark.posix("shells that complete by a script")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["cfp", "inst"], ["install"]),
        (["cfp", "install", "--verb"], ["--verbose-proxy"]),
        (["cfp", "install", "--service-tier-policy", "pre"], ["preserve"]),
        (["cfp", "journal", "s"], ["show"]),
    ],
)
def test_bash_completes(typed: list[str], offered: list[str], tmp_path: Path) -> None:
    """The real bash, asked as its line editor asks."""
    path = tmp_path / "completion"
    path.write_text(script("bash"))
    words = " ".join(f"'{word}'" for word in typed)
    ask = (
        f"source {path}; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; _codex_fast_proxy; echo ${{COMPREPLY[@]}}"
    )
    command = ["bash", "--norc", "-c", ask]
    assert offered == subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
