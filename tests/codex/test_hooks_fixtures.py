"""The hand-made hooks.json files: each shows one layout, before our hook goes in and after.

`CFP_TEST_WRITE_FIXTURES=1 pytest tests/codex/test_hooks_fixtures.py` writes anew what a change of ours does to all
of them; then read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cfp.codex.hooks_document import group
from cfp.codex.hooks_json import HOOKS_JSON, edit_for
from journal.values import Merged
from tests.strategies import OUR_COMMAND

FIXTURES = Path(__file__).parents[2] / "fixtures" / "hooks"
NAMES = sorted(path.name for path in (FIXTURES / "before").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_our_hook_goes_in(name: str) -> None:
    """The edited text is, to the byte, the one that was looked at by a person."""
    data = (FIXTURES / "before" / name).read_bytes()
    after = HOOKS_JSON.apply(data, [edit_for(data, group(OUR_COMMAND))])
    if os.environ.get("CFP_TEST_WRITE_FIXTURES"):
        (FIXTURES / "after" / name).write_bytes(after)
    assert after == (FIXTURES / "after" / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_our_hook_comes_out(name: str) -> None:
    """Untouched, or with white space of somebody else's behind it, the text comes back to the byte."""
    data = (FIXTURES / "before" / name).read_bytes()
    after = (FIXTURES / "after" / name).read_bytes()
    edits = [edit_for(data, group(OUR_COMMAND))]
    assert HOOKS_JSON.restore(after, data, edits) == Merged(content=data)
    assert HOOKS_JSON.restore(after + b"\n \n", data, edits) == Merged(content=data + b"\n \n")
