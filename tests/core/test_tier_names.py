"""The names of service tiers."""

from __future__ import annotations

import pytest

from cfp.core.tiers.names import KNOWN, canonical, is_fast


@pytest.mark.parametrize("name", [*KNOWN, "turbo", ""])
def test_a_tier_has_one_name(name: str) -> None:
    """`fast` is `priority`; every other name, known or not, is its own, and a name is taken once."""
    assert canonical(name) == ("priority" if name == "fast" else name)
    assert canonical(canonical(name)) == canonical(name)


def test_the_names_of_one_tier_are_fast_together() -> None:
    """Either name of a tier says the same about its speed; no tier at all is not fast."""
    assert {name for name in KNOWN if is_fast(name)} == {"priority", "fast", "ultrafast"}
    assert all(is_fast(name) == is_fast(canonical(name)) for name in KNOWN)
    assert not is_fast(None)
