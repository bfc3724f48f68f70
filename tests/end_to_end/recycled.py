"""A worker dies, a stranger gets its pid, and a command runs; in a pid namespace, where pids can be chosen.

    unshare --pid --fork --mount-proc python -m tests.end_to_end.recycled PORT VERB [FLAG]

Prints what became of the stranger, whose words are those of a worker of this home but for the nonce.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from cfp.host.worker.discovery import is_sentinel
from cfp.host.worker.processes import cmdline
from tests.sentinels import kill_for_good

HOME = Path.home() / ".codex"
INTERRUPTED = "recover"  # the one verb that needs a log which was left open


def cfp(*words: str) -> dict[str, Any]:
    """Run our program and return its JSON result."""
    command = [sys.executable, "-P", "-m", "codex_fast_proxy", *words]
    result: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    return result


def workers() -> list[int]:
    """The pids of all that serve with a nonce."""
    entries = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in entries if "--nonce" in cmdline(pid) and not is_sentinel(cmdline(pid))]


def interrupt() -> None:
    """Leave a `start` behind that was killed when its worker was healthy: the log holds that worker's pid."""
    settings = HOME / "codex-fast-proxy-state" / "settings.json"
    settings.write_text(settings.read_text().replace('"auto"', '"preserve"'))
    subprocess.run([sys.executable, "-m", "tests.end_to_end.dying", str(HOME), "up"], check=False)


def end(pid: int) -> None:
    """Kill it and let it be gone; its parent is dead, and this process is the one that inherits orphans here."""
    kill_for_good([psutil.Process(pid)])
    with suppress(ChildProcessError):
        while True:  # its sentinel, of the same group: until that is collected, the number stays in use
            os.waitpid(-pid, 0)


def main(port: str, words: list[str]) -> None:
    pid = int(cfp("install", "--start", "--no-verify", "--port", port)["start_result"]["pid"])
    if words[0] == INTERRUPTED:
        interrupt()
        (pid,) = set(workers()) - {pid}
    for worker in workers():
        end(worker)
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    looks = ["-m", "codex_fast_proxy", "serve", "--codex-home", str(HOME), "--port", port]
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *looks]) as stranger:
        ran = cfp(*words)
        gone = cfp("uninstall")
        report = {"recycled": stranger.pid == pid, "stranger lives": stranger.poll() is None, "workers": workers()}
        stranger.kill()
    print(json.dumps({**report, "statuses": [ran["status"], gone["status"]]}))  # noqa: T201 - the answer of this program


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
