"""A command whose disk is full or broken, or that is asked to end, at any of its acts: all before, or all after."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfp import signals
from tests.crash.sizes import DEEP
from tests.homes.acts import Acts, Befall, refused, signalled
from tests.homes.site import CommandAnswer
from tests.numbers import VIOLATIONS, Numbers
from tests.scenes import SCENES, Play, Scene, photograph, play
from tests.staged import in_a_child
from tests.systems import ENDING

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EMFILE)
STRIDE = 1 if DEEP else 8  # in the gate, every eighth act, another error at each
WORKERS = {"spawn", "go", "healthy", "stop", "stopped", "retract", "relaunch"}


def points(played: Play, stride: int, first: int) -> Iterator[int]:
    return (at for at in range(1 + first % stride, len(played.acts) + 1, stride))


def judged(played: Play, answer: CommandAnswer) -> list[str]:
    """Return the complaints about the files after this answer, and after `recover` where a transaction is open."""
    complaints = []
    if played.stage.host().journal.interrupted():
        recovered = played.recover()
        # The hook tells its log only.
        is_reported = answer.code == 6 or recovered.json["status"] == "rolled_back" or "--quiet" in played.scene.words
        if recovered.code or not is_reported:
            complaints.append(f"recover says {recovered.out} after {answer.out}")
    now = photograph(played.stage)
    complaints += played.i1_all_before_or_all_after(now)
    again = played.recover()
    complaints += [f"recover says {again.out}"] if again.code else played.complaints(again)
    return complaints


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_disk_says_no(scene: Scene, lasting: bool, tmp_path: Path, numbers: Numbers) -> None:  # noqa: FBT001 - a parameter of the test
    """Whatever operation fails, once or for good: undone or finished, or named as what `recover` has to settle."""
    played = play(scene, tmp_path / "stage")
    complaints = []
    cells = 0
    first = SCENES.index(scene) + lasting
    for at in points(played, STRIDE, first):
        if played.acts[at - 1] in WORKERS:
            continue
        number = ERRORS[(at + first) % len(ERRORS)]
        played.rewind()
        answer = played.perform(Acts(at, refused(number), lasting=lasting))
        cells += 1
        problems = [] if answer.code in {0, 2, 3, 6} or not answer.out else [f"exit {answer.code}: {answer.out}"]
        problems += judged(played, answer)
        complaints += [f"{at} {played.acts[at - 1]} {errno.errorcode[number]}: {complaint}" for complaint in problems]
    numbers.count("operations that fail", "on real files", cells)
    numbers.count("operations that fail", VIOLATIONS, len(complaints))
    assert [] == complaints


@pytest.mark.posix("fork")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_asked_to_end(scene: Scene, tmp_path: Path, numbers: Numbers) -> None:
    """^C, SIGTERM and SIGHUP at any act: undone or finished, with an answer and the exit code that is documented."""
    played = play(scene, tmp_path / "stage")
    complaints = []
    cells = 0
    first = SCENES.index(scene)
    for at in points(played, 2 * STRIDE, first):
        number = ENDING[(at + first) % len(ENDING)]
        played.rewind()
        answer = in_a_process(played, at, signalled(number))
        cells += 1
        problems = []
        if answer.code not in {scene.code, 128 + number, 6}:
            problems.append(f"exit {answer.code}: {answer.out}")
        if answer.out:
            json.loads(answer.out)
        elif "--quiet" not in scene.words:
            problems.append("no answer")
        problems += judged(played, answer)
        complaints += [f"{at} {played.acts[at - 1]} {number.name}: {complaint}" for complaint in problems]
    numbers.count("signals", "^C, SIGTERM and SIGHUP at an act", cells)
    numbers.count("signals", VIOLATIONS, len(complaints))
    assert [] == complaints


def in_a_process(played: Play, at: int, befall: Befall) -> CommandAnswer:
    """A process that listens to signals as the program does."""
    output = played.stage.root / "said"
    output.unlink(missing_ok=True)

    def act() -> int:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signals.listen()
        answer = played.perform(Acts(at, befall))
        output.write_text(answer.out)
        return answer.code

    code = in_a_child(act)
    return CommandAnswer(code=code, out=output.read_text() if output.exists() else "")
