"""The commands in the documents exit as announced, in their order, on a throw-away machine."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.house.source import REPOSITORY

_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"#.*\bexit (\d+)")


def commands(page: str) -> list[tuple[str, int]]:
    """The lines of a page's shell blocks and the exit code that each announces, 0 where it announces none."""
    lines = [line for block in _BLOCK.findall((REPOSITORY / page).read_text()) for line in block.splitlines()]
    return [(line, int(match[1]) if (match := _EXIT.search(line)) else 0) for line in lines if line]


def type_in(machine: Machine, line: str) -> int:
    """Type a line into a shell where the program is on PATH; the port is one that is free here."""
    here = line.replace("install --start", f"install --start --port {machine.port}")
    ran = machine.run(["bash", "-uc", here], timeout=120)
    return ran.code


def test_the_guide(codex: Machine) -> None:
    """Every command of the guide exits as announced, and the config ends with the new provider's URL."""
    machine = codex
    machine.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), machine.environ["PATH"]))
    machine.relay()
    before = machine.config.read_bytes()
    with Listener(key=KEY) as other:
        machine.environ["UPSTREAM"] = other.base_url
        steps = commands("docs/guide.md")
        assert steps == [(line, type_in(machine, line)) for line, _ in steps]
    assert before.replace(machine.upstream.base_url.encode(), other.base_url.encode()) == machine.config.read_bytes()
    assert [] == machine.workers()
