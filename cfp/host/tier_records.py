"""The file of evidence about the provider's tiers: the worker's and the commands', private, never half written.

Each writer reads it again before it changes it; where two write at one moment, the last one counts, and the other's
evidence comes again with the next request.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cfp.core.tiers.records import TierRecord, new_record, parse_records, serialise_records
from cfp.host.system.files.file_use import read_bytes
from journal.private import append_to


def read_records(path: Path, now: float) -> tuple[TierRecord, ...]:
    """Return the records that are not forgotten by `now`, in seconds since the epoch; none where there is no file."""
    try:
        return parse_records(read_bytes(path), now)
    except OSError:
        return ()


def write_records(path: Path, data: bytes) -> os.stat_result:
    """Replace the file and return its stat; raises OSError, with the former one in place."""
    staged = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        staged.unlink()
    descriptor = append_to(staged)
    try:
        os.write(descriptor, data)
        stat_result = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    staged.replace(path)
    return stat_result


def replace_record(path: Path, record: TierRecord, now: float) -> None:
    """Put a record in the place of the one of its upstream, model and tier; nothing where that cannot be written."""
    _write(path, [*(other for other in read_records(path, now) if other.key != record.key), record])


def _write(path: Path, records: Iterable[TierRecord]) -> None:
    with suppress(OSError):
        if path.parent.is_dir():
            write_records(path, serialise_records(records))


def learn_from(verification: Mapping[str, Any], path: Path | None, now: float) -> TierRecord | None:
    """Replace the evidence about an upstream's tiers by that of a new verification, and return it.

    The worker tries a tier again that was refused before, unless it was just refused anew. None, where the request
    had no tier; nothing is written in a home without an installation, or where the file cannot be written.

    path  the file; None writes nothing
    """
    tier, upstream_base = verification["service_tier_request"], verification["upstream_base"]
    record = None
    if tier is not None:
        record = new_record(upstream_base, verification["model"], tier, now)
        refused = verification["service_tier_refused"]
        record = (
            record.with_refusal(now) if refused else record.with_answer(verification["response_service_tier"], now)
        )
    if path is not None:
        others = (other for other in read_records(path, now) if other.upstream_base != upstream_base)
        _write(path, [*others, *([] if record is None else [record])])
    return record
