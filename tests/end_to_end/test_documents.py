"""The commands in the documents exit as announced, in their order, on a throw-away machine.

They are typed into bash here, and on Windows into the part of PowerShell that the pages are written in.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.powershell import Shell, blocks

ON_WINDOWS = sys.platform == "win32"
SCRIPTS = Path(sys.executable).parent / ("Scripts" if ON_WINDOWS else "")
PLACE = Path(".local/share/codex-fast-proxy/.venv") / ("Scripts" if ON_WINDOWS else "bin")
PROGRAM = "codex-fast-proxy.exe" if ON_WINDOWS else "codex-fast-proxy"
_EXIT = re.compile(r"#.*\bexit (\d+)")

Typing = Callable[[str], int]


def commands(page: str) -> list[tuple[str, int]]:
    """The lines of a page's shell blocks and the exit code that each announces, 0 where it announces none."""
    texts = [block.powershell if ON_WINDOWS else block.bash for block in blocks(page)]
    lines = [line for text in texts for line in text.splitlines() if line]
    return [(line, int(match[1]) if (match := _EXIT.search(line)) else 0) for line in lines]


def keyboard(machine: Machine, **variables: str) -> Typing:
    """A shell in which the program is on PATH, and install takes a port that is free here."""
    machine.environ["PATH"] = os.pathsep.join((str(SCRIPTS), machine.environ.get("PATH", os.environ["PATH"])))
    environ = machine.environment()
    shell = Shell(
        folder=machine.work,
        environ=environ,
        run=lambda words, _folder, _environ: machine.run(words, timeout=120).code,
        lasting=lambda name, value: None,
        stand_ins=_stand_ins(machine),
        variables=variables,
    )
    kept = dict(variables)

    def type_in(line: str) -> int:
        here = line.replace("install --start", f"install --start --port {machine.port}")
        if ON_WINDOWS:
            return shell.type_in(here)
        if match := re.match(r"(\w+)=(.*)", here):  # each line has a bash of its own
            ran = machine.run(["bash", "-uc", f"echo {match[2]}"], timeout=20)
            kept[match[1]] = ran.stdout.strip()
            return ran.code
        machine.environ |= kept
        return machine.run(["bash", "-uc", here], timeout=120).code

    return type_in


def _stand_ins(machine: Machine) -> dict[str, list[str]]:
    """The program's words where the package runs from a checkout, which has no codex-fast-proxy.exe."""
    if shutil.which("codex-fast-proxy", path=str(SCRIPTS)):
        return {}
    place = str(machine.home.parent / PLACE / "codex-fast-proxy")
    words = [sys.executable, "-m", "codex_fast_proxy"]
    return {"codex-fast-proxy": words, place: words}


@pytest.mark.posix("bash runs the lines of the guide")
def test_the_guide(codex: Machine) -> None:
    """Every command of the guide exits as announced, and the config ends with the new provider's URL."""
    machine = codex
    machine.relay()
    before = machine.config.read_bytes()
    with Listener(key=KEY) as other:
        type_in = keyboard(machine, UPSTREAM=other.base_url)
        steps = commands("docs/guide.md")
        assert steps == [(line, type_in(line)) for line, _ in steps]
    assert before.replace(machine.upstream.base_url.encode(), other.base_url.encode()) == machine.config.read_bytes()
    assert [] == machine.workers()


def test_codex_does_not_start(machine: Machine) -> None:
    """Each command of that section puts config.toml back: the program's own, and the copy where no Python is left."""
    machine.relay()
    before = machine.config.read_bytes()
    by_name, by_path, *by_hand = [line for line, _ in commands("docs/troubleshooting.md")]
    type_in = keyboard(machine)
    installed = machine.home.parent / PLACE
    installed.mkdir(parents=True)
    if (SCRIPTS / PROGRAM).exists():
        shutil.copy(SCRIPTS / PROGRAM, installed / PROGRAM)
    for way in ([by_name], [by_path], by_hand):
        machine.install()
        assert before != machine.config.read_bytes()
        assert [0] * len(way) == [type_in(line) for line in way], way
        assert before == machine.config.read_bytes()
