"""A snapshot of the home's files, read in a thread and cached by their stat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from cfp.layout import Layout
from journal.private import read_from

if TYPE_CHECKING:  # serving requests needs none of it
    from cfp.core.facts import Facts

_CHECK_SECONDS: Final = 2.0
_CODE_SECONDS: Final = 60.0
_LARGEST_BENCHMARK: Final = 1 << 20
_LARGEST_HISTORY: Final = 1 << 20
_TRANSACTIONS: Final = 8
_RUNS: Final = 20
_LONGEST: Final = 500  # characters of a text

# The fields of a benchmark that the page shows: results, no samples.
_BENCHMARK_FIELDS: Final = (
    *("ts", "provider", "upstream_base", "model", "reasoning_effort", "service_tier", "profile", "benchmark_mode"),
    *("pairs", "verdict", "confidence_interval", "observed_speedup_total", "observed_speedup_first_output"),
    *("default", "priority", "provider_confirmed_priority", "message"),
)
_RUN_FIELDS: Final = (
    *("ts", "provider", "upstream_base", "model", "service_tier", "profile", "benchmark_mode", "pairs", "verdict"),
    *("observed_speedup_total", "confidence_interval"),
)
_INTERVAL: Final = ("level", "low", "middle", "high")
_TRANSACTION_FIELDS: Final = ("id", "at", "command", "from", "to", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The facts, journal and benchmarks of a home; `facts` is None before the first snapshot.

    transactions    the last changes of the user's files, newest first: not those of the proxy's own alone
    benchmark       the last benchmark that was saved whole
    benchmark_runs  the newest results of benchmarks, newest first
    """

    facts: Facts | None = None
    interrupted: tuple[str, ...] = ()
    transactions: tuple[Mapping[str, Any], ...] = ()
    benchmark: Mapping[str, Any] | None = None
    benchmark_runs: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class SnapshotCache:
    """The newest snapshot. The files' stats are checked every 2 s at most, and the files read where one changed."""

    layout: Layout
    environ: Mapping[str, str]
    seconds: Callable[[], float] = monotonic
    take: Callable[[Layout, Mapping[str, str], Mapping[str, Any], str], Snapshot] = field(
        default_factory=lambda: take_snapshot
    )
    _snapshot: Snapshot = field(default_factory=Snapshot)
    _checked_at: float | None = None
    _fingerprint: object = None
    _code: str = ""
    _code_at: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def current(self, health: Mapping[str, Any]) -> Snapshot:
        """Return the newest snapshot; `health` is the worker's own report, which needs no request over a socket."""
        async with self._lock:
            if self._checked_at is None or self.seconds() - self._checked_at >= _CHECK_SECONDS:
                self._snapshot = await asyncio.get_running_loop().run_in_executor(None, self._check, dict(health))
                self._checked_at = self.seconds()
            return self._snapshot

    def _check(self, health: Mapping[str, Any]) -> Snapshot:
        stats = map(_stat, _sources(self.layout))
        fingerprint = (self._installed_code(), health.get("upstream_api_key_available"), *stats)
        if fingerprint == self._fingerprint:
            return self._snapshot
        # The stats are older than the snapshot: a change that comes between them is read by the next check.
        self._fingerprint = fingerprint
        return self.take(self.layout, self.environ, health, self._code)

    def _installed_code(self) -> str:
        """Return the identity of the code on disk, which may be newer than the code that runs here."""
        from cfp.host.worker.code_id import runtime_id  # noqa: PLC0415  only the dashboard needs it

        if self._code_at is None or self.seconds() - self._code_at >= _CODE_SECONDS:
            self._code = runtime_id.__wrapped__()
            self._code_at = self.seconds()
        return self._code


def _sources(layout: Layout) -> tuple[Path, ...]:
    """Return the files and folders that a snapshot depends on."""
    return (
        *(layout.config, layout.hooks, layout.auth, layout.dotenv),
        *(layout.settings, layout.manifest, layout.provider_auth, layout.benchmark, layout.journal),
        *(layout.benchmark_history, layout.tier_records),
    )


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def take_snapshot(layout: Layout, environ: Mapping[str, str], health: Mapping[str, Any], code: str) -> Snapshot:
    """Read the files; `code` is the identity of the installed code, `health` the worker's own report."""
    # Imported here, in the thread: these are the modules of `status`, and serving requests needs none of them.
    from cfp.core.facts import PortFact, PortState  # noqa: PLC0415  see above
    from cfp.core.health import parse_health  # noqa: PLC0415  see above
    from cfp.host.programs.hook import missing_program  # noqa: PLC0415  see above
    from cfp.host.survey import survey  # noqa: PLC0415  see above
    from cfp.host.worker.queries import WorkerQueries  # noqa: PLC0415  see above

    own = PortFact(
        host=str(health["host"]), port=int(health["port"]), state=PortState.OURS, health=parse_health(health)
    )

    def at(_: Layout, host: str, port: int) -> PortFact:
        """Probe no other port: its answer would change nothing about this worker."""
        return own if port == own.port else PortFact(host=host, port=port, state=PortState.FREE)

    facts = survey(
        layout, environ, queries=WorkerQueries(at_address=at, by_process=lambda *_: None, draining=lambda _: ())
    )
    facts = replace(
        facts,
        runtime=replace(facts.runtime, runtime_id=code),
        broken_hook=missing_program([entry.position.command for entry in facts.hook_entries]),
    )
    return Snapshot(
        facts=facts,
        interrupted=facts.interrupted,
        transactions=_transactions(layout),
        benchmark=_benchmark(layout.benchmark),
        benchmark_runs=_runs(layout.benchmark_history),
    )


def _transactions(layout: Layout) -> tuple[dict[str, Any], ...]:
    """Return the last changes of files of the user's, newest first; `files` are their names."""
    from cfp.host.home import Host  # noqa: PLC0415  only the dashboard needs it
    from journal import JournalError  # noqa: PLC0415  only the dashboard needs it

    try:
        history = Host(layout=layout, environ={}, python="").journal.history()
    except JournalError:
        return ()
    changes = ({**_select(entry, _TRANSACTION_FIELDS), "files": _files(layout, entry)} for entry in reversed(history))
    return tuple(islice((change for change in changes if change["files"]), _TRANSACTIONS))


def _files(layout: Layout, entry: Mapping[str, Any]) -> list[str]:
    """Return the files of an entry that are not the proxy's own, by their names in the home."""
    files = entry.get("files")
    paths = (
        [Path(str(file.get("path"))) for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    )
    users = [path for path in paths if not any(path.is_relative_to(folder) for folder in layout.own_folders)]
    return [str(path.relative_to(layout.home) if path.is_relative_to(layout.home) else path) for path in users]


def _benchmark(path: Path) -> Mapping[str, Any] | None:
    try:
        saved = json.loads(_read(path, _LARGEST_BENCHMARK) or b"null")
    except (ValueError, RecursionError):
        return None
    return _select(saved, _BENCHMARK_FIELDS) if isinstance(saved, dict) and _is_sound(saved) else None


def _runs(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the newest runs, newest first."""
    from cfp.core.tiers.history import parse_history  # noqa: PLC0415  only the dashboard needs it

    runs = [run for run in parse_history(_read(path, _LARGEST_HISTORY)) if _is_sound(run)]
    return tuple(_select(run, _RUN_FIELDS) for run in reversed(runs[-_RUNS:]))


def _is_sound(run: Mapping[str, Any]) -> bool:
    """Whether the page can draw the speed-up and its interval: each is a number, or missing."""
    interval, factor = run.get("confidence_interval"), run.get("observed_speedup_total")
    if interval is not None and not isinstance(interval, dict):
        return False
    ends = () if interval is None else (interval.get(name) for name in _INTERVAL)
    return isinstance(factor, int | float | None) and all(isinstance(end, int | float) for end in ends)


def _read(path: Path, largest: int) -> bytes | None:
    try:
        with read_from(path) as file:
            return file.read(largest)
    except OSError:
        return None


def _select(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of these names, their texts cut to a length that fits the page."""
    chosen = {name: values[name] for name in names if name in values}
    return {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in chosen.items()}
