"""Programs that write config.toml without a lock, as Codex does, while a command of ours changes it."""

from __future__ import annotations

import os
import random
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.sizes import SEED, size
from tests.numbers import VIOLATIONS, Numbers
from tests.scenes import ENVIRON, INSTALL, MOVE, dotfiles, plain
from tests.staged import Stage

ROUNDS = size("WRITER_ROUNDS", 20, 2000)
EDIT = b"\n[theirs]\nnumber = 1\n"
LONGEST_S = 0.05  # the duration of a command on an idle machine
COMMANDS = (INSTALL, MOVE, ("uninstall", "--defer-stop"), ("uninstall",), (*MOVE, "--restart"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def wait(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def by_rename(config: Path, thinking: float) -> None:
    """Read, modify and replace the target of a link, without lock or fsync (Codex 0.169 `write_atomically`)."""
    target = config.resolve()
    text = target.read_bytes()
    wait(thinking)
    beside = target.with_name("tmp-of-codex")
    beside.write_bytes(text + EDIT)
    beside.replace(target)


def in_place(config: Path, thinking: float) -> None:
    """Append to the file itself, as an editor or a script does."""
    with config.open("ab") as file:
        wait(thinking / 10)
        file.write(EDIT)
        file.flush()
        gone = os.fstat(file.fileno()).st_nlink == 0
    if gone:  # the open file was replaced and removed before the write: nothing can keep that edit
        in_place(config, thinking)


def one_round(
    stage: Stage, words: tuple[str, ...], write: Callable[[Path, float], None], choose: random.Random
) -> str:
    """Let a program write once while a command runs; return "" or the complaint."""
    delay, thinking = choose.random() * LONGEST_S, choose.random() * 0.003
    config = stage.home / "config.toml"
    child = os.fork()
    if child == 0:
        try:
            wait(delay)
            write(config, thinking)
        finally:
            os._exit(0)
    answer = stage.run(*words)
    os.waitpid(child, 0)
    doc = tomllib.loads(config.read_text())
    if "theirs" not in doc:
        return f"{words[0]}: their edit is gone, and {answer.json['status']}"
    if answer.code not in {0, 2, 3}:
        return f"{words[0]} exits {answer.code}: {answer.out}"
    # A writer that read before our swap and wrote after our last observation undoes ours: then a command reports it.
    state = stage.run("status").json["state"] if answer.code == 0 else "refused"
    url = doc["model_providers"]["relay"]["base_url"]
    proxied = url.startswith("http://127.0.0.1")
    if words[0] == "uninstall":
        return (
            "" if not proxied or state in {"drifted", "refused", "restored_deferred", "absent"} else f"state {state}"
        )
    if proxied or state in {"drifted", "refused"}:
        return ""
    return f"{words[0]}: nobody says that {url} came back: {state}"


@pytest.mark.parametrize("write", [by_rename, in_place], ids=lambda write: write.__name__)
def test_no_edit_that_we_displaced_is_lost(
    write: Callable[[Path, float], None], tmp_path: Path, numbers: Numbers
) -> None:
    """A foreign write is in the file afterwards, at whatever instant it came, and the file parses."""
    choose = random.Random(SEED)
    complaints = []
    for number in range(ROUNDS):
        stage = Stage(root=tmp_path / str(number), environ=ENVIRON)
        stage.home.parent.mkdir(parents=True)
        (plain, dotfiles)[number % 2](stage)
        words = COMMANDS[number % len(COMMANDS)]
        if words is not INSTALL:
            assert stage.run(*INSTALL).code == 0
        complaint = one_round(stage, words, write, choose)
        complaints += [f"{number}: {complaint}"] if complaint else []
        shutil.rmtree(stage.root)
    numbers.count("races", f"edits {write.__name__.replace('_', ' ')} beside a command", ROUNDS)
    numbers.count("races", VIOLATIONS, len(complaints))
    assert [] == complaints
