"""A disk without a free byte: a reboot's first session starts the proxy, and an uninstall gives everything back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.down_provider import down_provider
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.sentinels import kill_for_good

pytestmark = pytest.mark.posix("a small disk of its own", needs="root")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Machine]:
    """A machine on a disk of three megabytes; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no disk")
    try:
        with ExitStack() as stack:
            upstream = stack.enter_context(Listener(key=KEY))
            nowhere = stack.enter_context(down_provider()).removesuffix("/v1")
            machine = Machine(root=disk / "machine", upstream=upstream, nowhere=nowhere)
            yield machine
            machine.end_everything()
    finally:
        subprocess.run(["/bin/umount", "-l", str(disk)], check=True)


def fill(machine: Machine) -> None:
    """Leave no free byte."""
    descriptor = os.open(machine.root.parent / "filling", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (4096, 1):
        with suppress(OSError):
            while True:
                os.write(descriptor, b"x" * size)
    os.close(descriptor)


def test_a_full_disk(small: Machine) -> None:
    """The hook starts the proxy, a killed one starts again, and config.toml comes back byte for byte."""
    small.relay()
    before = small.config.read_bytes()
    small.install()
    for start in (small.hook_words(), None):
        kill_for_good(small.workers())
        fill(small)
        ran = small.cfp("start") if start is None else small.run(start, timeout=30)
        assert 0 == ran.code, ran.transcript
        assert "stopReason" not in ran.stdout
        assert 1 == len(small.workers())
    fill(small)
    ran = small.cfp("uninstall")
    assert 0 == ran.code, ran.transcript
    assert before == small.config.read_bytes()
    assert (False, []) == (small.state.exists(), small.workers())


def test_an_install_on_a_full_disk(small: Machine) -> None:
    """Is refused, and everything is as it was."""
    small.relay()
    fill(small)
    before = small.files()
    ran = small.cfp("install", "--start", "--port", str(small.port))
    assert (2, "storage_failed", before) == (ran.code, ran.json["code"], small.files()), ran.transcript
    assert [] == small.workers()
