"""The hand-made configs: each shows one spelling, before our edits and after them.

A file is about the provider that its `model_provider` names, or about `relay`. To see what a change of ours does
to all of them: `CFP_TEST_WRITE_FIXTURES=1 pytest tests/codex/test_toml_fixtures.py`, then read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cfp.codex.config_toml import CONFIG_TOML, edit_for, parse
from journal.values import KeyEdit, KeyPath, Merged

FIXTURES = Path(__file__).parents[2] / "fixtures" / "toml"
NAMES = sorted(path.name for path in (FIXTURES / "before").iterdir())
TRUST = ("hooks", "state", "/home/a/.codex/hooks.json:session_start:0:0", "trusted_hash")


def own_values(data: bytes) -> dict[KeyPath, Any]:
    provider = parse(data).get("model_provider", "relay")
    return {
        ("model_providers", provider, "base_url"): "http://127.0.0.1:8787/v1",
        ("features", "hooks"): True,
        TRUST: "sha256:11",
    }


def install_edits(data: bytes) -> list[KeyEdit]:
    return [edit_for(data, path, value) for path, value in own_values(data).items()]


def read(folder: str, name: str) -> bytes:
    return (FIXTURES / folder / name).read_bytes()


def test_the_corpus_is_wide() -> None:
    """It holds more than 80 spellings."""
    assert len(NAMES) > 80


@pytest.mark.parametrize("name", NAMES)
def test_our_edits(name: str) -> None:
    """The edited text is, to the byte, the one that was looked at by a person."""
    data = read("before", name)
    after = CONFIG_TOML.apply(data, install_edits(data))
    if os.environ.get("CFP_TEST_WRITE_FIXTURES"):
        (FIXTURES / "after" / name).write_bytes(after)
    assert after == read("after", name)


@pytest.mark.parametrize("name", NAMES)
def test_our_edits_undone(name: str) -> None:
    """Untouched, or with a line of somebody else's behind it, the text comes back to the byte."""
    data = read("before", name)
    edits = install_edits(data)
    after = read("after", name)
    assert CONFIG_TOML.restore(after, data, edits) == Merged(content=data)
    assert CONFIG_TOML.restore(after + b"\n# theirs", data, edits) == Merged(content=data + b"\n# theirs")
