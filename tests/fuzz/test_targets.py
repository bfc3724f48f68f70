"""The fuzzer's targets hold for the known inputs and for random ones; `nox -s fuzz` goes further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS, seeds


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_its_seeds(name: str) -> None:
    """The targets hold for every fixture and every first input of the fuzzer."""
    texts = seeds(name)
    assert len(texts) >= 3 or name not in SEEDS
    for text in texts:
        TARGETS[name](text)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=60), at=st.integers(0, 200), which=st.integers(0, 60))
def test_a_target_holds_for_chance(name: str, data: bytes, at: int, which: int) -> None:
    """The targets hold for inputs with some bytes inserted anywhere."""
    text = seeds(name)[which % len(seeds(name))]
    TARGETS[name](text[:at] + data + text[at:])
