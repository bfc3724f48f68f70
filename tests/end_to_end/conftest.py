"""The machines that end-to-end tests run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cfp.demo.provider import DemoProvider
from tests.down_provider import down_provider
from tests.end_to_end.harness import KEY, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine without Codex. What a test starts on it is ended; that SIGTERM is not enough for that is an error."""
    with ExitStack() as stack:
        upstream = stack.enter_context(DemoProvider(key=KEY))
        nowhere = stack.enter_context(down_provider()).removesuffix("/v1")
        machine = Machine(root=tmp_path / "machine", upstream=upstream, nowhere=nowhere)
        yield machine
        assert machine.end_everything() == []


@pytest.fixture
def codex(machine: Machine, codex_cli: Path) -> Machine:
    """A machine with the real Codex."""
    machine.codex = codex_cli
    machine.environ["PATH"] = os.pathsep.join((str(codex_cli.parent), os.environ["PATH"]))
    return machine
