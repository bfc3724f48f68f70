"""The promises of conftest.py themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def test_no_variable_leads_out_of_the_tests() -> None:
    """A proxy, a key or a Codex home of the user's shell reaches no test."""
    leaks = [n for n in os.environ if n.upper().endswith("_PROXY") or n.startswith(("CODEX_", "OPENAI_"))]
    assert leaks == []


def test_the_home_is_thrown_away(tmp_path: Path) -> None:
    """`~` is a temporary folder even in a test that asks for nothing."""
    assert Path.home().name.startswith("cfp-tests-home-")
    assert Path.home() not in tmp_path.parents


def test_a_codex_home_of_ones_own(codex_home: Path) -> None:
    """The fixture's home is what a child process would find by either rule of Codex."""
    assert os.environ["CODEX_HOME"] == str(codex_home)
    assert Path("~/.codex").expanduser() == codex_home
    assert list(codex_home.iterdir()) == []


def test_the_real_codex_is_the_pinned_one(codex_cli: Path, request: pytest.FixtureRequest) -> None:
    """Where the CLI is there, it runs from the cache or from where the variable says, never from PATH."""
    assert codex_cli.exists()
    assert request.node.get_closest_marker("real_codex") is not None
