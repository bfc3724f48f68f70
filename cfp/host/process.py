"""The worker as a process: start it, prove that a process is it, end it. Nothing unproven is ever signalled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cfp.core.settings import Settings
from cfp.layout import Layout
from journal.values import Json, WorkerRecord


def boot_id() -> str:
    """The kernel's id of this boot; "" where the system has none."""
    raise NotImplementedError


def process_started(pid: int) -> str | None:
    """The process's start time as an opaque text that no later process with the same pid shares; None if gone."""
    raise NotImplementedError


def is_alive(pid: int, started: str) -> bool:
    """Whether that very process runs. A zombie does not; one of our own children is reaped."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """All that it takes to start a worker; no secret among it."""

    settings: Settings
    codex_home: Path
    python: str
    nonce: str
    verbose: bool = False

    def argv(self) -> list[str]:
        raise NotImplementedError

    def settings_hash(self) -> str:
        """16 hex digits."""
        raise NotImplementedError

    def relaunch_record(self) -> Json:
        """What `worker_stopping` records, for `HostProcesses.relaunch`."""
        raise NotImplementedError


class Child:
    """A worker that waits for the go byte. Context: `spawn`, journal the pid, `go`; or `abandon`."""

    pid: int
    started: str

    @property
    def stderr(self) -> Path:
        """The file that its stderr goes to."""
        raise NotImplementedError

    def go(self) -> None:
        """Let it work. A child that is dead already is no error here: `wait_healthy` says why it died."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Let go of it without the byte, and wait until it is gone. Idempotent."""
        raise NotImplementedError

    def wait(self, timeout: float) -> bool:
        """Whether it died within `timeout` seconds."""
        raise NotImplementedError

    def last_words(self) -> str:
        """The last line that it wrote to stderr, redacted."""
        raise NotImplementedError


def spawn(spec: WorkerSpec, layout: Layout, *, env: Mapping[str, str] | None = None) -> Child:
    """Start a worker that waits for the go byte; `layout.worker` must exist.

    Raises Failed(worker_did_not_start) where the program or a log file cannot be opened.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """was_running: a process proven ours was there; cut_streams: requests in flight when it was cut."""

    was_running: bool
    cut_streams: int = 0


def stop_worker(record: WorkerRecord, grace: float, *, host: str = "127.0.0.1") -> Stopped:
    """End the worker: it drains for `grace` seconds, then what is left is cut.

    Nothing is signalled that is not proven to be this worker. Raises Failed(worker_did_not_stop; pid) where even
    SIGKILL does not end it.
    """
    raise NotImplementedError


class HostProcesses:
    """`journal.Processes` on this machine.

    still_wanted  whether config.toml points at the worker of that spec: a relaunch that nobody would use is none
    """

    def __init__(
        self, layout: Layout, *, host: str = "127.0.0.1", still_wanted: Callable[[WorkerSpec], bool] = lambda _: True
    ) -> None:
        raise NotImplementedError

    def retract(self, worker: WorkerRecord) -> Literal["stopped", "gone", "deferred"]:
        raise NotImplementedError

    def relaunch(self, spec: Json) -> bool:
        raise NotImplementedError
