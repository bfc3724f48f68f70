"""The derived state is total."""

from __future__ import annotations

import itertools

from cfp.core.manifest import ManifestState
from cfp.core.state import Hook, Pointing, Proxy, State, classify

COMBINATIONS = list(itertools.product(Pointing, Hook, Proxy, (False, True), (None, *ManifestState)))


def _state(combination: tuple[Pointing, Hook, Proxy, bool, ManifestState | None]) -> State:
    pointing, hook, proxy, settings, manifest = combination
    return classify(pointing, hook, proxy, settings=settings, manifest=manifest)


def test_every_combination_has_a_state() -> None:
    """3 x 3 x 4 x 2 x 3 combinations, each with one state, and every state reached."""
    assert len(COMBINATIONS) == 216
    assert {_state(combination) for combination in COMBINATIONS} == set(State)


def test_enabled_needs_everything() -> None:
    """ENABLED is said only where config, worker, settings, manifest and hook all say so."""
    enabled = [combination for combination in COMBINATIONS if _state(combination) is State.ENABLED]
    assert enabled == [
        (Pointing.PROXIED, hook, Proxy.HEALTHY, True, ManifestState.INSTALLED)
        for hook in (Hook.UNTRUSTED, Hook.TRUSTED)
    ]


def test_absent_is_said_only_where_nothing_of_ours_is() -> None:
    """No settings, no record, no worker of ours, and a config that does not point at us."""
    for pointing, _, proxy, settings, manifest in (c for c in COMBINATIONS if _state(c) is State.ABSENT):
        assert pointing is not Pointing.PROXIED
        assert proxy in {Proxy.DOWN, Proxy.FOREIGN}
        assert (settings, manifest) == (False, None)
