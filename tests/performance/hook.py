"""`python -m tests.performance.hook`: the hook's no-op beside a bare interpreter, in turns; the ratio of the medians.

Under Wine: `python -m tests.windows python -m tests.performance.hook`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.test_fastpath import furnish, settings_at, worker

ROUNDS = 60


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    answer = {"ok": True, "pid": 1, "nonce": "ab"}
    with tempfile.TemporaryDirectory() as folder, worker(answer) as port:
        settings = settings_at(port)
        answer |= {**settings.to_json(), "codex_home": folder}
        furnish(Path(folder), settings)
        words = ("autostart", "--codex-home", folder, "--quiet")
        commands = {
            "bare": [sys.executable, "-I", "-c", "pass"],
            "hook": [sys.executable, "-I", "-m", "codex_fast_proxy", *words],
        }
        seconds(commands["hook"])  # it notes config.toml
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                times[name].append(seconds(command))
    bare, hook = (statistics.median(times[name]) for name in commands)
    sys.stdout.write(f"bare interpreter {bare * 1000:.0f} ms, no-op {hook * 1000:.0f} ms: {hook / bare:.2f} times\n")


if __name__ == "__main__":
    main()
