"""The machine that benchmarks run on, with a provider whose speed depends on the tier."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cfp import cli
from cfp.demo.scripted_turns import ScriptedTurn
from tests.bench.support import TieredUpstream
from tests.down_provider import down_provider
from tests.end_to_end.harness import Machine

CANARY = "sk-canary-7f3a9c51e2d84b06"


@dataclass(slots=True, kw_only=True)
class Bench:
    """A home with a provider; `run` is the command in this process."""

    machine: Machine
    upstream: TieredUpstream

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run `benchmark` and return its exit code and its one object."""
        out = io.StringIO()
        argv = ["benchmark", "--codex-home", str(self.machine.home), *arguments]
        code = cli.main(argv, self.machine.environment(), cli.Streams(out=out, err=io.StringIO()))
        result: dict[str, Any] = json.loads(out.getvalue())
        return code, result

    def direct(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the benchmark in direct mode."""
        return self.run("--mode", "direct", *arguments)

    @property
    def saved(self) -> Path:
        return self.machine.state / "state" / "fast_proxy.benchmark.json"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A machine without Codex whose provider takes the canary key; what a test leaves running is an error."""
    with ExitStack() as stack:
        upstream = stack.enter_context(TieredUpstream(key=CANARY, default=ScriptedTurn(), priority=ScriptedTurn()))
        nowhere = stack.enter_context(down_provider()).removesuffix("/v1")
        environ = {"RELAY_KEY": CANARY}
        machine = Machine(root=tmp_path / "machine", upstream=upstream, nowhere=nowhere, environ=environ)
        machine.relay()
        yield Bench(machine=machine, upstream=upstream)
        assert [] == machine.processes()


@pytest.fixture
def codex_bench(bench: Bench, codex_cli: Path) -> Bench:
    """A machine with the real Codex on PATH."""
    bench.machine.codex = codex_cli
    bench.machine.environ["PATH"] = os.pathsep.join((str(codex_cli.parent), os.environ["PATH"]))
    return bench
