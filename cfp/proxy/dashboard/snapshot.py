"""What only a look at files can tell, taken in a thread, and again only where one of them has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from cfp.layout import Layout

_AGAIN_SECONDS: Final = 2.0
_CODE_SECONDS: Final = 60.0
_LARGEST_BENCHMARK: Final = 1 << 20
_SHOWN_TRANSACTIONS: Final = 5

# What the page shows of a benchmark: results, no samples.
_BENCHMARK: Final = (
    *("ts", "provider", "upstream_base", "model", "reasoning_effort", "profile", "benchmark_mode", "pairs"),
    *("verdict", "confidence_interval", "observed_speedup_total", "observed_speedup_first_output"),
    *("default", "priority", "provider_confirmed_priority", "message", "warnings"),
)
_TRANSACTION: Final = ("id", "at", "command", "from", "to", "outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`code` and `level` are the diagnosis of `status`; None before the first look, and where looking failed."""

    code: str | None = None
    level: str | None = None
    interrupted: tuple[str, ...] = ()
    transactions: tuple[Mapping[str, Any], ...] = ()
    benchmark: Mapping[str, Any] | None = None


@dataclass(slots=True)
class SnapshotCache:
    """`look` costs some stats while nothing changes, and is asked at most every other second, however many visit."""

    layout: Layout
    environ: Mapping[str, str]
    seconds: Callable[[], float] = monotonic
    take: Callable[[Layout, Mapping[str, str], Mapping[str, Any], str], Snapshot] = field(
        default_factory=lambda: take_snapshot
    )
    _last: Snapshot = field(default_factory=Snapshot)
    _at: float | None = None
    _seen: object = None
    _code: str = ""
    _code_at: float | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, health: Mapping[str, Any]) -> Snapshot:
        """Return what there is; `health` is the worker's own, which need not ask itself over a socket."""
        async with self._turn:
            if self._at is None or self.seconds() - self._at >= _AGAIN_SECONDS:
                self._last = await asyncio.get_running_loop().run_in_executor(None, self._look, dict(health))
                self._at = self.seconds()
            return self._last

    def _look(self, health: Mapping[str, Any]) -> Snapshot:
        seen = (self._installed_code(), health.get("upstream_api_key_available"), *map(_stat, _read(self.layout)))
        if seen == self._seen:
            return self._last
        # What changes in the middle of this look is seen by the next one: the stats are older.
        self._seen = seen
        return self.take(self.layout, self.environ, health, self._code)

    def _installed_code(self) -> str:
        """The identity of the code on disk, which may be newer than the code that runs here."""
        from cfp.host.worker.code_id import runtime_id  # noqa: PLC0415  only a visit asks

        if self._code_at is None or self.seconds() - self._code_at >= _CODE_SECONDS:
            self._code = runtime_id.__wrapped__()
            self._code_at = self.seconds()
        return self._code


def _read(layout: Layout) -> tuple[Path, ...]:
    """The files and folders that the outlook depends on."""
    return (
        *(layout.config, layout.hooks, layout.auth, layout.dotenv),
        *(layout.settings, layout.manifest, layout.provider_auth, layout.benchmark, layout.journal),
    )


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def take_snapshot(layout: Layout, environ: Mapping[str, str], health: Mapping[str, Any], code: str) -> Snapshot:
    """Look at everything; `code` is the identity of the installed code, `health` what the worker says of itself."""
    # Imported here, in the thread: the same modules as `status`, and nothing of them is needed to serve requests.
    from cfp.core.diagnosis import diagnose  # noqa: PLC0415  see above
    from cfp.core.facts import PortFact, PortState  # noqa: PLC0415  see above
    from cfp.host.survey import Neighbours, survey  # noqa: PLC0415  see above

    own = PortFact(host=str(health["host"]), port=int(health["port"]), state=PortState.OURS, health=health)

    def at(_: Layout, host: str, port: int) -> PortFact:
        """Nobody else is asked: what another address answers changes nothing about this worker."""
        return own if port == own.port else PortFact(host=host, port=port, state=PortState.FREE)

    facts = survey(layout, environ, neighbours=Neighbours(at=at, stray=lambda *_: None, draining=lambda _: ()))
    facts = replace(facts, runtime=replace(facts.runtime, runtime_id=code))
    found = diagnose(facts)
    return Snapshot(
        code=found.code,
        level=found.level,
        interrupted=facts.interrupted,
        transactions=_transactions(layout),
        benchmark=_benchmark(layout.benchmark),
    )


def _transactions(layout: Layout) -> tuple[dict[str, Any], ...]:
    """The last finished ones, newest first."""
    from cfp.host.home import Host  # noqa: PLC0415  opens a journal as the commands do
    from journal import JournalError  # noqa: PLC0415  the same

    try:
        history = Host(layout=layout, environ={}, python="").journal.history()
    except JournalError:
        return ()
    return tuple(_only(entry, _TRANSACTION) for entry in reversed(history[-_SHOWN_TRANSACTIONS:]))


def _benchmark(path: Path) -> Mapping[str, Any] | None:
    try:
        with path.open("rb") as file:
            saved = json.loads(file.read(_LARGEST_BENCHMARK))
    except (OSError, ValueError, RecursionError):
        return None
    return _only(saved, _BENCHMARK) if isinstance(saved, dict) else None


def _only(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}
