"""The derived state is total."""

from __future__ import annotations

import itertools

from cfp.core.manifest import ManifestState
from cfp.core.state import ConfiguredUrl, HookState, State, WorkerState, classify

COMBINATIONS = list(itertools.product(ConfiguredUrl, HookState, WorkerState, (False, True), (None, *ManifestState)))


def _state(combination: tuple[ConfiguredUrl, HookState, WorkerState, bool, ManifestState | None]) -> State:
    url, hook, worker, settings, manifest = combination
    return classify(url, hook, worker, settings=settings, manifest=manifest)


def test_every_combination_has_a_state() -> None:
    """3 x 3 x 4 x 2 x 3 combinations, each with one state, and every state reached."""
    assert len(COMBINATIONS) == 216
    assert {_state(combination) for combination in COMBINATIONS} == set(State)


def test_enabled_needs_everything() -> None:
    """ENABLED is said only where config, worker, settings, manifest and hook all say so."""
    enabled = [combination for combination in COMBINATIONS if _state(combination) is State.ENABLED]
    assert enabled == [
        (ConfiguredUrl.PROXIED, hook, WorkerState.HEALTHY, True, ManifestState.INSTALLED)
        for hook in (HookState.UNTRUSTED, HookState.TRUSTED)
    ]


def test_absent_is_said_only_where_nothing_of_ours_is() -> None:
    """No settings, no record, no worker of ours, and a config that does not point at us."""
    for url, _, worker, settings, manifest in (c for c in COMBINATIONS if _state(c) is State.ABSENT):
        assert url is not ConfiguredUrl.PROXIED
        assert worker in {WorkerState.DOWN, WorkerState.FOREIGN}
        assert (settings, manifest) == (False, None)
