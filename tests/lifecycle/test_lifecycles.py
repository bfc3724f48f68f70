"""Whatever happens to a home, in whatever order: our promises hold, and every command does what is listed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from cfp.layout import Layout
from tests.crash.sizes import size
from tests.homes.places import FolderHome, Home
from tests.lifecycle.rules import Lifecycle
from tests.lifecycle.world import Tally
from tests.numbers import Numbers

LENGTH = 40
SHARDS = range(4)
HOMES = size("HOMES", 80, 6_250)
REAL_HOMES = size("REAL_HOMES", 12, 500)


def run(
    machine: type[Lifecycle],
    homes: int,
    shard: int,
    phases: Sequence[Phase] = tuple(Phase),
    command_seed: str | None = None,
) -> Tally:
    """Live through that many homes, each for some forty acts; repeatable where the profile is.

    command_seed  the command line's own seed: every shard draws others from it
    """
    tally = Tally()
    bound = settings(
        max_examples=homes,
        stateful_step_count=LENGTH,
        phases=phases,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    test = get_state_machine_test(type(machine.__name__, (machine,), {"tally": tally}), settings=bound)
    if command_seed is not None:
        test = seed(f"{command_seed}, {shard}")(test)
    elif settings.default.derandomize:
        test = seed(shard)(test)
    test()
    return tally


def is_falsified(homes: int) -> bool:
    """Whether a home shows that something is wrong, in which shard ever; `tests.lifecycle.planted` asks."""
    try:
        for shard in SHARDS:
            with redirect_stdout(StringIO()):
                run(Lifecycle, homes // len(SHARDS), shard, (Phase.generate,))
    except BaseException:  # noqa: BLE001 - however it shows
        return True
    return False


def report(numbers: Numbers, where: str, tally: Tally) -> None:
    section = f"lifecycle, {where}"
    for name in ("steps", "commands", "crashes", "nested", "power_cuts"):
        numbers.count(section, name.replace("_", " "), getattr(tally, name))
    numbers.count(section, "violations", 0)  # one would have failed the test


@pytest.mark.parametrize("shard", SHARDS)
def test_in_memory(shard: int, numbers: Numbers, pytestconfig: pytest.Config) -> None:
    """All commands, writers, crashes, power cuts and full disks, nested in any way."""
    tally = run(Lifecycle, HOMES, shard, command_seed=pytestconfig.getoption("hypothesis_seed"))
    report(numbers, "in memory", tally)
    assert tally.steps >= HOMES * LENGTH // 2


class InAFolder(Lifecycle):
    """The lifecycle on the real file system, where a power cut ends the workers only."""

    def home(self) -> Home:
        self.folder = Path(tempfile.mkdtemp(prefix="cfp-lifecycle-"))
        (self.folder / ".codex").mkdir()
        return FolderHome(layout=Layout(self.folder / ".codex"))

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            for path in self.folder.rglob("*.*"):
                path.chmod(0o700)  # Windows removes no file that is read-only
            shutil.rmtree(self.folder)


def test_in_a_folder(numbers: Numbers, pytestconfig: pytest.Config) -> None:
    """The promises hold on the real file system too."""
    command_seed = pytestconfig.getoption("hypothesis_seed")
    report(numbers, "in a folder", run(InAFolder, REAL_HOMES, 0, command_seed=command_seed))
