"""Real system calls that fail, and signals that arrive at them, in real commands, injected by strace.

A child that has loaded everything waits until strace is attached, then runs one command; so a call is counted from
the start of the command, and a cell costs a fork instead of the start of an interpreter.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from cfp import signals
from tests.crash.sizes import SEED, size
from tests.homes.site import CommandAnswer
from tests.numbers import VIOLATIONS, Numbers
from tests.scenes import ENVIRON, SCENES, Play, Scene, photograph, play_on
from tests.staged import Stage, Street
from tests.systems import SIGKILL

CELLS = size("STRACE_CELLS", 4, 24)  # for each scene
CALLS = (
    *("openat", "pwrite64", "fsync", "fallocate", "fchmod", "fchown", "fsetxattr", "utimensat"),
    *("rename", "renameat2", "unlink", "rmdir", "mkdir", "flock"),
)
# fmt: off
ERRORS = {
    "openat":    (errno.EMFILE, errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EIO),
    "flock":     (errno.EINTR,),
    "fallocate": (errno.ENOSPC, errno.EIO),
}
# fmt: on
OTHERWISE = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EPERM)
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
CHOSEN = (
    *("install", "install, dotfiles", "set-upstream", "set-upstream --restart", "prepare-chatgpt-login", "start"),
    *("uninstall, dotfiles", "uninstall --defer-stop", "takeover", "recover without a record"),
)

pytestmark = [
    pytest.mark.posix("strace and system calls"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


class SharedStreet(Street):
    """Workers in memory that forks share: a test changes them without a system call."""

    def __init__(self, path: Path, home: Path, memory: mmap.mmap) -> None:
        super().__init__(path, home)
        self._memory = memory

    def read(self) -> bytes:
        return self._memory[:].partition(b"\0")[0]

    def write(self, text: bytes) -> None:
        self._memory[: len(text) + 1] = text + b"\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStage(Stage):
    memory: mmap.mmap

    @property
    def street(self) -> SharedStreet:
        return SharedStreet(self.root, self.home, self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The failure of one call, once or (`from_then_on`) of every later one too."""

    call: str
    nth: int
    what: str
    from_then_on: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        when = f"{self.nth}{'+' if self.from_then_on else ''}"
        return ("-e", f"trace={self.call}", "-e", f"inject={self.call}:{self.what}:when={when}")

    def __str__(self) -> str:
        return f"{self.call} {self.nth}{'+' if self.from_then_on else ''} {self.what}"


def traced(played: Play, *options: str) -> CommandAnswer:
    """Run the scene's command under strace; return its exit code, or minus its signal, and its output."""
    stage = played.stage
    reading, writing = os.pipe()
    output = stage.root / "said"
    output.write_text("")
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.close(writing)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signals.listen()
            os.read(reading, 1)
            done = played.stage.run(*played.scene.words)
            code = done.code
            output.write_text(done.out)
        finally:
            os._exit(code)
    os.close(reading)
    command = ["strace", "-o", str(stage.root / "trace"), *options, "-p", str(child)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        os.close(writing)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tracer.stderr.read()
    return CommandAnswer(code=code, out=output.read_text())


def calls(played: Play) -> dict[str, int]:
    """Return the number of each call in an undisturbed run of the command."""
    played.rewind()
    ran = traced(played, "-e", "trace=" + ",".join(f"?{call}" for call in CALLS))
    assert ran.code == played.scene.code, ran.out
    seen: dict[str, int] = {}
    for line in (played.stage.root / "trace").read_text().splitlines():
        if match := re.match(r"(\w+)\(", line):
            seen[match[1]] = seen.get(match[1], 0) + 1
    return seen


def cells(counted: dict[str, int], choose: random.Random) -> list[Cell]:
    """Draw any call, with any error of it or a signal, at any time."""
    every = [(call, nth) for call, many in counted.items() for nth in range(1, many + 1)]
    drawn = []
    for number, (call, nth) in enumerate(choose.sample(every, min(CELLS, len(every)))):
        if number % 4 == 3:
            drawn.append(Cell(call=call, nth=nth, what=f"signal={choose.choice(SIGNALS)}"))
        else:
            error = choose.choice(ERRORS.get(call, OTHERWISE))
            lasting = number % 4 == 2 and call not in {"openat", "flock"}
            drawn.append(Cell(call=call, nth=nth, what=f"error={errno.errorcode[error]}", from_then_on=lasting))
    return drawn


def wrong(played: Play, cell: Cell, answer: CommandAnswer) -> list[str]:
    """Return complaints about an answer, and about the home after a `recover`."""
    complaints = []
    if "error" in cell.what and answer.code not in {0, 2, 3, 5, 6}:
        complaints.append(f"exits {answer.code}: {answer.out}")
    if answer.code in {0, 2, 3, 5, 6} and answer.out:
        json.loads(answer.out)
    if answer.code not in {0, 2, 3, 5, 6, 130, 143, -SIGKILL}:
        complaints.append(f"exits {answer.code}: {answer.out}")
    recovered = played.recover()
    complaints += [recovered.out] if recovered.code else played.complaints(recovered)
    done = photograph(played.stage).everything() == played.then.everything()
    if answer.code == played.scene.code and played.scene.code == 0 and not done:
        complaints.append("it reports success")
    return complaints


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.name in CHOSEN], ids=lambda scene: scene.name)
def test_a_system_call_fails(scene: Scene, tmp_path: Path, numbers: Numbers) -> None:
    """After any failed or interrupted call the answer is true, and `recover` leaves all before or all after."""
    choose = random.Random(f"{SEED} {scene.name}")
    with mmap.mmap(-1, 64 * 1024) as memory:
        played = play_on(TracedStage(root=tmp_path / "stage", environ=ENVIRON, memory=memory), scene)
        complaints = []
        chosen = cells(calls(played), choose)
        for cell in chosen:
            played.rewind()
            complaints += [f"{cell}: {complaint}" for complaint in wrong(played, cell, traced(played, *cell.options))]
    numbers.count("real system calls", "failed or interrupted by strace", len(chosen))
    numbers.count("real system calls", VIOLATIONS, len(complaints))
    assert [] == complaints


def test_a_recovery_mistakes_nothing_unread_for_nothing(tmp_path: Path) -> None:
    """hooks.json, or the list of the backups, cannot be read once: it refuses, and the next one is whole."""
    (scene,) = (scene for scene in SCENES if scene.name == "recover without a record")
    with mmap.mmap(-1, 64 * 1024) as memory:
        played = play_on(TracedStage(root=tmp_path / "stage", environ=ENVIRON, memory=memory), scene)
        calls(played)
        opened = [
            line for line in (played.stage.root / "trace").read_text().splitlines() if line.startswith("openat")
        ]
        places = ('.codex/hooks.json", ', '.codex/backups/codex-fast-proxy", ')
        attempts = [nth for nth, line in enumerate(opened, 1) if any(place in line for place in places)]
        assert len(attempts) >= len(places)
        complaints = []
        for nth in attempts:
            cell = Cell(call="openat", nth=nth, what="error=EIO")
            played.rewind()
            complaints += [f"{cell}: {complaint}" for complaint in wrong(played, cell, traced(played, *cell.options))]
    assert [] == complaints
