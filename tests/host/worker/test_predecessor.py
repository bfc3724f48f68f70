"""The predecessor's worker, taken over: stopped where it is proven, left alone where it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfp.host.worker.predecessor import find_predecessor, stop_predecessor
from cfp.host.worker.shutdown import StopResult
from cfp.layout import Layout
from tests.host.conftest import Workers
from tests.host.servers import says, serving
from tests.ports import free_port

OPTIONS = {"nonce": "", "stubborn": True}  # it does not die of SIGTERM


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def predecessor(workers: Workers, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Its command line has no `-P`, no nonce and no go byte; its pid file is the bare number."""
    command = f"-m codex_fast_proxy serve --codex-home {workers.layout.home} --host 127.0.0.1 --port {port}"
    rest = ["--proxy-base", "/v1", "--upstream-base", "https://relay.example/v1", "--nonce", ""]
    process = subprocess.Popen(
        [workers.program, *command.split(), *rest],
        env={**os.environ, "STAND_IN": json.dumps(OPTIONS)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    workers.layout.pid_file.write_text(str(process.pid))
    assert process.stdout.readline() == b"listening\n"
    yield process
    process.kill()
    process.communicate()


def test_it_is_ended_though_it_ignores_sigterm(
    workers: Workers, port: int, predecessor: subprocess.Popen[bytes]
) -> None:
    """Afterwards there is nothing to stop."""
    assert StopResult(was_running=True) == stop_predecessor(workers.layout, "127.0.0.1", port)
    assert predecessor.wait(20) is not None
    assert StopResult(was_running=False) == stop_predecessor(workers.layout, "127.0.0.1", port)


@pytest.mark.parametrize("content", ["", "1", "not a number", None])
def test_another_pid_file_protects_it(
    workers: Workers, port: int, predecessor: subprocess.Popen[bytes], content: str | None
) -> None:
    """A worker of another home may answer at that port."""
    workers.layout.pid_file.unlink()
    if content is not None:
        workers.layout.pid_file.write_text(content)
    assert StopResult(was_running=False) == stop_predecessor(workers.layout, "127.0.0.1", port)
    assert predecessor.poll() is None


def test_a_copied_home_leaves_it_alone(
    workers: Workers, port: int, predecessor: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """The copy has the same pid file, and the worker names the original."""
    copy = shutil.copytree(workers.layout.home, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    assert StopResult(was_running=False) == stop_predecessor(Layout(copy), "127.0.0.1", port)
    assert predecessor.poll() is None


def test_our_own_worker_is_not_taken_for_it(workers: Workers) -> None:
    """A worker with a nonce is stopped by its nonce."""
    spec, child, _ = workers.start()
    workers.layout.pid_file.write_text(str(child.pid))
    assert find_predecessor(workers.layout, "127.0.0.1", spec.settings.port) is None


def test_somebody_who_merely_says_so_is_left_alone(workers: Workers) -> None:
    """This very process answers as the predecessor would, with its own pid in the pid file: its arguments tell."""
    body = b'{"ok": true, "pid": %d, "upstream_base": "https://relay.example/v1"}' % os.getpid()
    workers.layout.pid_file.write_text(str(os.getpid()))
    with serving(says(b"HTTP/1.1 200 OK\r\n\r\n" + body)) as server:
        assert StopResult(was_running=False) == stop_predecessor(workers.layout, "127.0.0.1", server.port)


def test_nobody_is_nobody(workers: Workers, port: int) -> None:
    """Neither file nor listener."""
    assert StopResult(was_running=False) == stop_predecessor(workers.layout, "127.0.0.1", port)
