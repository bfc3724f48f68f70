"""Starts a worker: its command line, its go byte, and its stdout and stderr logs."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from cfp.core.program import program_environ, program_words
from cfp.core.served_settings import arguments
from cfp.core.settings import Settings, settings_from_json
from cfp.errors import CfpError, Failed
from cfp.host.provider.secret import redact
from cfp.host.system import detached
from cfp.host.system.files.privacy import close_to_others
from cfp.host.worker import processes
from cfp.layout import Layout
from journal.private import append_to, read_from
from journal.values import Json

_GO = b"g"
_STOP = 5.0  # a worker without the go byte exits as soon as its interpreter has started
_TAIL = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """The settings, home and program that a worker is started with; it holds no secret.

    user_base     the base of the user's site where the program is installed there, else ""
    former_nonce  nonce of the worker that hands over to this one; "" for none
    """

    settings: Settings
    codex_home: Path
    python: str
    nonce: str
    user_base: str = ""
    verbose: bool = False
    former_nonce: str = ""

    def argv(self) -> list[str]:
        """Return the worker's command line; every value is an argument of its own after its flag."""
        return [
            *program_words(self.python, self.user_base),
            "serve",
            *("--codex-home", str(self.codex_home)),
            *arguments(self.settings.to_json()),
            *("--nonce", self.nonce),
            *(["--take-over", self.former_nonce] if self.former_nonce else []),
            "--await-go",
            *(["--verbose"] if self.verbose else []),
        ]

    def settings_hash(self) -> str:
        """Return 16 hex digits over settings.json as we would write it."""
        return hashlib.sha256(self.settings.serialise()).hexdigest()[:16]

    def relaunch_record(self) -> Json:
        """Return the record that `log_worker_stopping` writes and `WorkerProcesses.relaunch` reads."""
        return {
            "settings": self.settings.to_json(),
            "codex_home": str(self.codex_home),
            "python": self.python,
            **({"user_base": self.user_base} if self.user_base else {}),
            "verbose": self.verbose,
            "boot_id": processes.boot_id(),
        }

    @classmethod
    def from_record(cls, record: Json) -> WorkerSpec | None:
        """Parse such a record, with a fresh nonce; None where it is no such record."""
        try:
            return cls(
                settings=settings_from_json(record["settings"]),
                codex_home=Path(record["codex_home"]),
                python=str(record["python"]),
                user_base=str(record.get("user_base", "")),
                nonce=secrets.token_hex(16),
                verbose=bool(record["verbose"]),
            )
        except (KeyError, TypeError, CfpError):
            return None


class SpawnedWorker:
    """A worker that waits for the go byte: `spawn`, journal the pid, then `send_go`; or `stop`."""

    def __init__(self, process: detached.Detached, stderr: Path, stderr_from: int) -> None:
        self.pid = process.pid
        # Unreaped, so /proc shows it even if it died at once.
        self.started = processes.started(process.pid) or ""
        self._process = process
        self._stderr = stderr
        self._stderr_from = stderr_from

    @property
    def stderr(self) -> Path:
        """The file that its stderr goes to."""
        return self._stderr

    def send_go(self) -> None:
        """Send the go byte. A dead child is no error here: `wait_healthy` reports it."""
        pipe = self._process.stdin
        if pipe is not None and not pipe.closed:
            with pipe:
                try:
                    pipe.write(_GO)
                except OSError as error:
                    if error.errno not in {errno.EPIPE, errno.EINVAL}:  # Windows has EINVAL for it
                        raise

    def stop(self) -> None:
        """End it, before or after the go byte, and wait until it has exited. Idempotent."""
        pipe = self._process.stdin
        if pipe is not None and not pipe.closed:
            pipe.close()
        else:
            self._process.terminate()
        if not self.wait(_STOP):
            self._process.kill()
            self._process.wait()

    def wait(self, timeout: float) -> bool:
        """Whether it exits within `timeout` seconds; it is reaped then."""
        if self._process.poll() is None:
            handle = processes.hold(self.pid)  # not reaped yet, so the pid still belongs to this child
            if handle is not None:
                with handle:
                    handle.wait(timeout)
        return self._process.poll() is not None

    def last_stderr_line(self) -> str:
        """Return its last line on stderr, redacted."""
        with suppress(OSError), read_from(self._stderr) as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._stderr_from, end - _TAIL))
            lines = log.read().decode(errors="replace").strip().splitlines()
            return redact(lines[-1]) if lines else ""
        return ""


def spawn(spec: WorkerSpec, layout: Layout, *, env: Mapping[str, str] | None = None) -> SpawnedWorker:
    """Start a worker that waits for the go byte; `layout.worker` must exist.

    env  the worker's environment; None for our own
    Raises Failed(worker_did_not_start; reason `not_spawned`, detail, log) where the program or a log file cannot be
    opened.
    """
    close_to_others(layout.own_folders)  # also for those who never run another command than the hook
    with ExitStack() as opened:
        try:
            stdout = opened.enter_context(os.fdopen(append_to(layout.worker_stdout), "ab"))
            stderr = opened.enter_context(os.fdopen(append_to(layout.worker_stderr), "ab"))
            stderr_from = os.fstat(stderr.fileno()).st_size
            process = detached.start(
                spec.argv(),
                stdout=stdout,
                stderr=stderr,
                cwd=spec.codex_home.anchor or "/",
                env=program_environ(os.environ if env is None else env),
            )
        except OSError as error:
            raise Failed(
                "worker_did_not_start",
                reason="not_spawned",
                detail=f"{error.strerror}: {error.filename or spec.python}",  # Windows names no program
                log=str(layout.worker_stderr),
            ) from error
    return SpawnedWorker(process, layout.worker_stderr, stderr_from)
