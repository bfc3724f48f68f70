"""The machines that end-to-end tests run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.down_provider import down_provider
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import LISTENERS, Listener, foreign_identities


@pytest.fixture(autouse=True)
def _identities_stay_with_their_own() -> Iterator[None]:
    """No key and no login reaches a listener that is not its own, in any test of this folder."""
    LISTENERS.clear()
    yield
    lines = foreign_identities()
    LISTENERS.clear()
    assert [] == lines


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine without Codex. What a test starts on it is ended; that SIGTERM is not enough for that is an error."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Listener(key=KEY))
        nowhere = stack.enter_context(down_provider()).removesuffix("/v1")
        machine = Machine(root=tmp_path / "machine", upstream=upstream, nowhere=nowhere)
        yield machine
        assert machine.end_everything() == []
        assert [] == upstream.foreign_identities(), "an identity reached a provider that is not its own"


@pytest.fixture
def codex(machine: Machine, codex_cli: Path) -> Machine:
    """A machine with the real Codex."""
    machine.codex = codex_cli
    machine.environ["PATH"] = os.pathsep.join((str(codex_cli.parent), os.environ["PATH"]))
    return machine
