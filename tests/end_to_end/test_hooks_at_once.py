"""Many sessions that find the proxy dead at the same moment, on a machine whose cores are all busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.crash.sizes import size
from tests.end_to_end.harness import STATE, Machine
from tests.numbers import VIOLATIONS, Numbers
from tests.sentinels import kill_for_good
from tests.systems import WINDOWS

ROUNDS = size("HOOK_ROUNDS", 3, 200)
SESSIONS = 12
BUSY = "while True: pass"
LOG = f"{STATE}/state/fast_proxy.autostart.jsonl"


@contextmanager
def busy_cores() -> Iterator[None]:
    """A process for each core that takes all it gets; none on Windows, where a hook's 10 s are tight without."""
    command = [sys.executable, "-I", "-S", "-c", BUSY]
    busy = [subprocess.Popen(command) for _ in range(0 if WINDOWS else os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.timeout(60 + 60 * ROUNDS)
def test_hooks_at_once_start_one_worker_and_log_no_error(machine: Machine, numbers: Numbers) -> None:
    """Each round: every hook exits with 0 and says nothing, one worker runs, and the log has its start alone."""
    machine.relay()
    machine.install()
    log = machine.home / LOG
    violations = []
    for _ in range(ROUNDS):
        kill_for_good(machine.workers())
        log.unlink(missing_ok=True)
        with busy_cores():
            hooks = [machine.hook_started() for _ in range(SESSIONS)]
            ran = [machine.finish(hook) for hook in hooks]
        statuses = [json.loads(line)["status"] for line in log.read_text(encoding="utf-8").splitlines()]
        numbers.time("hooks at once", f"{SESSIONS} hooks, the slowest", max(one.seconds for one in ran))
        numbers.count("hooks at once", "rounds")
        loud = [one.transcript for one in ran if (0, "", "") != (one.code, one.stdout, one.stderr)]
        if loud or statuses != ["started"] or len(machine.workers()) != 1:
            violations.append((loud, statuses, log.read_text(encoding="utf-8")))
    numbers.count("hooks at once", VIOLATIONS, len(violations))
    assert [] == violations
