"""The worker's evidence about the provider's tiers, from the user's own requests, in a file that outlives it.

A refusal is remembered for a week, so that not each new worker pays for it with one refused request for each model.
The file is the truth, and other programs change it: `verify-upstream` forgets what was known.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from cfp.core.tiers.names import STANDARD, canonical
from cfp.core.tiers.records import Key, TierRecord, new_record, serialise_records
from cfp.host.tier_records import read_records, write_records
from cfp.proxy.upstream_capabilities import RefusedModels, TierRefusals

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

_PAUSE_SECONDS: Final = 60.0  # between two writes of mere counts
_TELLING: Final = 3  # the first answers of a record are written at once

_Stat = tuple[int, ...] | None


class TierMemory:
    """Reads the file, adds the evidence of each request with a tier, and writes it in a thread.

    refusals   the models without our tier, for the requests; kept in step with the file
    id_prefix  begins the ids of this worker's own requests: those of earlier workers are in the file already
    on_error   gets the error of a write that failed; the evidence stays in memory
    """

    def __init__(
        self,
        path: Path,
        upstream_base: str,
        tier: str,
        *,
        id_prefix: str = "",
        clock: Callable[[], float] = time,
        on_error: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._upstream_base = upstream_base
        self._tier = canonical(tier)
        self._id_prefix = id_prefix
        self._clock = clock
        self._on_error = on_error
        self._records: dict[Key, TierRecord] = {}
        self._stat: _Stat = None  # of the file as it was read or written last
        self._written_at = 0.0
        self._is_dirty = self._is_urgent = False
        self._writing: asyncio.Future[os.stat_result] | None = None
        self.refusals = TierRefusals(self._refused)
        if isinstance(self.refusals.models, RefusedModels):
            self.refusals.models.recheck = self._recheck
        self._reload_if_changed()

    def of_upstream(self) -> tuple[TierRecord, ...]:
        """Return the evidence about this worker's upstream, the newest first."""
        self._reload_if_changed()
        now = self._clock()
        own = (record for record in self._records.values() if record.upstream_base == self._upstream_base)
        return tuple(sorted((one for one in own if one.is_kept(now)), key=lambda one: one.at, reverse=True))

    def add(self, lines: Sequence[LogLine]) -> None:
        """Count the answers to this worker's requests with a tier; those of one batch together, which is cheap."""
        counts: dict[tuple[str | None, str], dict[str | None, int]] = {}
        began: dict[tuple[str | None, str], str] = {}  # the newest request of each
        for line in lines:
            tier = line.service_tier_after
            if tier is None or not line.eligible or tier in STANDARD or not line.outcome.went_through:
                continue
            if line.request_id.startswith(self._id_prefix):
                echoes = counts.setdefault((line.model, tier), {})
                echoed = line.response_service_tier
                echoes[echoed] = echoes.get(echoed, 0) + 1
                began[line.model, tier] = max(line.ts, began.get((line.model, tier), ""))
        for (model, tier), echoes in counts.items():
            self._answered(model, tier, echoes, began[model, tier])

    async def written(self) -> None:
        """Return when no write is in progress."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # its callback runs in the next turn of the loop

    async def close(self) -> None:
        """Write what is not written."""
        await self.written()
        if self._is_dirty:
            self._start()
            await self.written()

    def _answered(self, model: str | None, tier: str, echoed: dict[str | None, int], began: str) -> None:
        before = self._record(model, tier)
        # Lines come in batches: these requests may be older than a refusal that came meanwhile.
        refused = before.refused and datetime.fromisoformat(began).timestamp() <= before.at
        after = before.with_answers(echoed, self._clock(), refused=refused)
        if after.tier == self._tier and not refused:
            self.refusals.models.discard(model)
        is_news = before.refused or before.answers < _TELLING or before.echoes.keys() != after.echoes.keys()
        self._keep(after, urgent=is_news)

    def _refused(self, model: str | None) -> None:
        self._keep(self._record(model, self._tier).with_refusal(self._clock()), urgent=True)

    def _record(self, model: str | None, tier: str) -> TierRecord:
        self._reload_if_changed()
        fresh = new_record(self._upstream_base, model, tier, self._clock())
        known = self._records.get(fresh.key)
        return known if known is not None and known.is_kept(fresh.since) else fresh

    def _keep(self, record: TierRecord, *, urgent: bool) -> None:
        self._records[record.key] = record
        self._is_dirty = True
        self._is_urgent |= urgent
        if self._writing is None and (self._is_urgent or self._clock() - self._written_at >= _PAUSE_SECONDS):
            self._start()

    def _recheck(self) -> None:
        """Take models out that the file refuses no more, or that were refused more than a week ago."""
        self._reload_if_changed()
        now = self._clock()
        for record in [one for one in self._records.values() if not one.is_kept(now)]:
            del self._records[record.key]
            if record.tier == self._tier and record.upstream_base == self._upstream_base:
                self.refusals.models.discard(record.model)

    def _reload_if_changed(self) -> None:
        """Read the file where another program has changed it; what stands in memory alone is given up then."""
        stat = _stat(self._path)
        if stat == self._stat or self._writing is not None:
            return
        self._stat = stat
        self._records = {record.key: record for record in read_records(self._path, self._clock())}
        models = {
            record.model
            for record in self._records.values()
            if record.refused and record.tier == self._tier and record.upstream_base == self._upstream_base
        }
        self.refusals.models.intersection_update(models)
        self.refusals.models.update(models)

    def _start(self) -> None:
        self._is_dirty = self._is_urgent = False
        self._written_at = self._clock()
        data = serialise_records(self._records.values())
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, partial(write_records, self._path, data))
        self._writing.add_done_callback(self._on_written)

    def _on_written(self, future: asyncio.Future[os.stat_result]) -> None:
        self._writing = None
        try:
            self._stat = _identity(future.result())
        except OSError as error:
            self._on_error(error)
        if self._is_urgent:
            self._start()


def _stat(path: Path) -> _Stat:
    try:
        return _identity(path.stat())
    except OSError:
        return None


def _identity(stat_result: os.stat_result) -> _Stat:
    return stat_result.st_mtime_ns, stat_result.st_size, stat_result.st_ino
