"""The memory of a worker process after it has passed on bodies."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# After the worker's warm-up, allocate and free as many bodies as a busy worker holds, again and again; print the page
# faults of one body.
BODIES = """
import resource
import asyncio
from types import SimpleNamespace
from cfp.proxy.worker.warm_up import warm_up
nothing = lambda: None
asyncio.run(warm_up(SimpleNamespace(health=nothing, remember=nothing, dialer=SimpleNamespace(warm=nothing))))
def held():
    return [b"x" * 40_000 for _ in range(64)]
held()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    held()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (50 * 64))
"""


@pytest.mark.posix("glibc")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have ways of their own")
def test_memory_is_not_given_back_between_bodies() -> None:
    """Freed memory stays with the process: each returned page costs a fault later, ten for a body of 40 KB."""
    done = subprocess.run([sys.executable, "-c", BODIES], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5
