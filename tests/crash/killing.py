"""Real SIGKILL at every operation of a real command, on real files, and again inside the recoveries that follow.

A child runs the whole command (`tests.staged`) and dies before one of its operations, or half-way through a write.
Then recovery runs in children that die as well, then one `recover` completes; the home is checked after it.

Planning costs more than acting. So a command runs until it has the lock and its plan, and forks there: each child
continues alone, and acquires the lock for itself, so that its death releases it.

All of that runs in a process that has loaded this module and no test runner: a fork copies tables for all memory.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from journal.context import Lock
from journal.lock import NativeLocks
from tests.crash.sizes import SEED
from tests.homes.acts import Acts, Befall, killed, killed_half_way
from tests.scenes import SCENES, Photograph, Play, Scene, photograph, play
from tests.staged import exit_of, in_a_child

LATEST_ACT = 12  # the last operation of a recovery at which it is killed; the next recovery gets further
REPOSITORY = Path(__file__).parents[2]
TALLY = "tally.json"

Point = tuple[int, Befall]


def bare_fork() -> int:
    """Call fork(2) alone: half of the cost of os.fork is for threads and random numbers, which this process lacks."""
    return int(ctypes.pythonapi.fork())


@dataclass(slots=True)
class Tally:
    """Counts of one scene's kills."""

    kills: int = 0
    nested: int = 0
    recoveries: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class Crossroads(Acts):
    """A command that stops before operation `here`; from there, a child continues on each of the roads alone."""

    def __init__(
        self,
        here: int,
        roads: Callable[[], Iterator[Point]],
        after: Callable[[Point, int], None],
        end: Callable[[], NoReturn],
    ) -> None:
        super().__init__()
        self._here = here
        self._roads = roads
        self._after = after
        self._end = end
        self._lock_file: Path | None = None
        self._lock: Lock | None = None

    def act(self, name: str, half: Callable[[], object] = lambda: None) -> None:
        if self.count + 1 == self._here:
            self._here = 0
            if not self._is_on_a_road():
                self._end()
        super().act(name, half)

    def _is_on_a_road(self) -> bool:
        """Return True in each child; False in the parent, once all children are dead."""
        for at, befall in self._roads():
            child = bare_fork()
            if child == 0:
                self._at, self._befall = at, befall
                if self._lock_file is not None:
                    self._lock = NativeLocks().acquire(self._lock_file, 0)
                return True
            self._after((at, befall), exit_of(child))
        return False

    def acquire(self, path: Path, timeout: float) -> Crossroads:
        """Return a lock that only the continuing children acquire (`journal.context.Locks`)."""
        self._lock_file = path
        return self

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def release_file(self) -> None:
        if self._lock is not None:
            self._lock.release_file()


class Killing:
    """The kills of one scene."""

    def __init__(self, played: Play, kills: int, tally_file: Path) -> None:
        self.play = played
        self.wanted = kills
        self.tally_file = tally_file
        self.choose = random.Random(f"{SEED} {played.scene.name}")
        self.tally = Tally()
        self.nested = 0  # number of kills in recoveries that may follow one in the command
        # The journal's folder, its lock and the holder's file are written before the second plan.
        self.planned = 1 + played.acts.index("create") + 2

    def run(self) -> NoReturn:
        """Run every point from the beginning, then those after the plan, until there are enough."""
        for point in self.points(1, self.planned):
            self.play.rewind()
            self.judge(point, in_a_child(lambda: self.play.perform(Acts(*point)).code, fork=bare_fork))  # noqa: B023 - runs at once
        self.play.rewind()
        crossroads = Crossroads(self.planned, self.roads, self.judge, self.end)
        self.play.stage.run(*self.play.scene.words, acts=crossroads, locks=crossroads)
        self.end()

    def end(self) -> NoReturn:
        self.tally_file.write_text(json.dumps(asdict(self.tally)))
        os._exit(0)

    def points(self, first: int, end: int) -> list[Point]:
        """Yield every operation, and the middle of every write."""
        acts = list(enumerate(self.play.acts, start=1))[first - 1 : end - 1]
        return [(at, killed) for at, _ in acts] + [(at, killed_half_way) for at, name in acts if name == "write"]

    def roads(self) -> Iterator[Point]:
        here = photograph(self.play.stage)
        points = self.points(self.planned, len(self.play.acts) + 1)
        while points and self.tally.kills < self.wanted:
            for number, point in enumerate(points):
                if self.tally.complaints:
                    return
                left = max(0, self.wanted - self.tally.kills)
                self.nested = 2 * left // (len(points) - number)
                self.play.rewind(here)
                yield point
            self.choose.shuffle(points)

    def judge(self, point: Point, code: int) -> None:
        """After a child's death kill its recoveries, let one complete, and check."""
        at, befall = point
        tally, played = self.tally, self.play
        now = photograph(played.stage)
        problems = [] if code == -signal.SIGKILL else [f"the child ended with {code}"]
        tally.kills += 1
        problems += whole(played.was, played.then, now)
        self.kill_recoveries()
        began = time.perf_counter()
        answer = played.recover()
        tally.recoveries.append(time.perf_counter() - began)
        problems += played.complaints(answer) if answer.code == 0 else [answer.out]
        if len(tally.recoveries) % 10 == 0:
            problems += recovered_for_good(played)
        tally.complaints += [f"{at} {played.acts[at - 1]}, {befall.__name__}: {complaint}" for complaint in problems]

    def kill_recoveries(self) -> None:
        for _ in range(self.choose.randint(0, self.nested)):
            acts = Acts(self.choose.randint(1, LATEST_ACT), self.choose.choice((killed, killed_half_way)))
            if not self.play.stage.host().journal.interrupted():
                return
            code = in_a_child(lambda: recover(self.play, acts), fork=bare_fork)  # noqa: B023 - runs at once
            if code == 0:
                return
            assert code == -signal.SIGKILL, (self.play.scene.name, code)
            self.tally.kills += 1
            self.tally.nested += 1


def recover(played: Play, acts: Acts) -> None:
    """Recover as the command `recover` does under its lock."""
    with played.stage.host(acts).journal.acquire(command="recover", timeout=0) as lease:
        lease.recover()


def recovered_for_good(played: Play) -> list[str]:
    """Check I6: a second recovery decides nothing and changes nothing."""
    before = photograph(played.stage)
    answer = played.recover()
    if (answer.json["status"], photograph(played.stage)) == ("clean", before):
        return []
    return [f"I6: the second recovery did something, and says {answer.json['status']}"]


def whole(was: Photograph, then: Photograph, now: Photograph) -> list[str]:
    """Check that even before a recovery each of the user's files is its before- or after-image."""
    return [
        f"{path} is neither old nor new"
        for path, entry in now.files()
        if path.endswith(("config.toml", "hooks.json"))
        and entry.data not in {node.data for node in (was.node(path), then.node(path)) if node is not None}
    ]


def kills_of(scene: Scene, root: Path, kills_per_100_acts: int) -> Tally:
    """Kill one scene's command, from a fresh process."""
    program = "import sys; from tests.crash.killing import kill; kill(*sys.argv[1:])"
    command = [sys.executable, "-c", program, scene.name, str(root), str(kills_per_100_acts)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{scene.name}: {ran.stderr}"
    return Tally(**json.loads((root / TALLY).read_text()))


def kill(name: str, folder: str, kills_per_100_acts: str) -> NoReturn:
    """Kill the command of the scene `name`, in `folder`, and write the tally there."""
    (scene,) = (scene for scene in SCENES if scene.name == name)
    played = play(scene, Path(folder) / "stage")
    killing = Killing(played, int(kills_per_100_acts) * len(played.acts) // 100, tally_file=Path(folder) / TALLY)
    gc.collect()
    gc.freeze()  # a collection would copy the memory that the children share
    killing.run()
