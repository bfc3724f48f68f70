"""The generators themselves: what they draw is legal, and wide."""

from __future__ import annotations

import tomllib

from hypothesis import given

from cfp.codex import config_toml, hooks_document
from tests.strategies import config_texts, hooks_texts


@given(config_texts())
def test_drawn_configs_are_legal_toml_1_0(case: tuple[bytes, str]) -> None:
    """Without the newer constructs, Python's own parser takes every text that is drawn."""
    tomllib.loads(case[0].decode("utf-8-sig"))


@given(config_texts(toml_1_1=True))
def test_drawn_newer_configs_are_read(case: tuple[bytes, str]) -> None:
    """With them, our reader does."""
    config_toml.parse(case[0])


@given(hooks_texts(ours=True))
def test_drawn_hooks_hold_one_hook_of_ours(data: bytes) -> None:
    """Our hook is found in every layout, alone in its group or not."""
    assert len(hooks_document.find_ours(hooks_document.parse(data))) == 1


@given(hooks_texts())
def test_drawn_hooks_of_others_are_not_ours(data: bytes) -> None:
    """Nobody else's hook is taken for ours."""
    assert hooks_document.find_ours(hooks_document.parse(data)) == ()
