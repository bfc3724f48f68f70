"""Evidence about which model served: other names in the answers, and counts of reasoning tokens that recur.

Neither proves anything by itself: a provider may have names of its own, and chance repeats a count. Like the tiers'
statistics it comes from the log lines of the user's own traffic, in bounded memory.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cfp.core.traffic.models import is_same_model
from cfp.core.traffic.requests import Ending

if TYPE_CHECKING:
    from cfp.proxy.telemetry.log_lines import LogLine

_MAX_ROWS: Final = 16
_MAX_NAMES: Final = 8  # other names of one model
_MAX_SAMPLES: Final = 200
_OTHER_NAMES: Final = "other"
_THROUGH: Final = frozenset({Ending.COMPLETED, Ending.INCOMPLETE})
_Key: TypeAlias = tuple[str | None, str]  # upstream and requested model


class _Row:
    def __init__(self) -> None:
        self.answers = 0
        self.others: Counter[str] = Counter()
        self.reasoning: deque[int] = deque(maxlen=_MAX_SAMPLES)


class ModelEvidence:
    """Rows by upstream and requested model; with too many rows, the one whose last line is oldest goes."""

    def __init__(self) -> None:
        self._rows: dict[_Key, _Row] = {}
        self._newest: tuple[_Key | None, _Row] = (None, _Row())  # the row of the last line

    def add(self, line: LogLine) -> None:
        """Take the line of a request that went through, and whose answer names a model or counts its reasoning."""
        model, usage, named = line.model, line.usage, line.response_model
        if model is None or line.ending not in _THROUGH or not line.eligible:
            return
        key = line.upstream_base, model
        row = self._newest[1] if key == self._newest[0] else self._row(key)
        if named is not None:
            row.answers += 1
            if not is_same_model(model, named):
                has_room = named in row.others or len(row.others) < _MAX_NAMES
                row.others[named if has_room else _OTHER_NAMES] += 1
        if usage is not None and usage.reasoning_tokens:
            row.reasoning.append(usage.reasoning_tokens)

    def _row(self, key: _Key) -> _Row:
        row = self._rows.pop(key, None) or _Row()
        self._rows[key] = row
        self._newest = key, row
        if len(self._rows) > _MAX_ROWS:
            del self._rows[next(iter(self._rows))]
        return row

    def report(self, upstream_base: str | None = None) -> list[dict[str, Any]]:
        """Return the models about which there is evidence, the one of the newest line first.

        answers                     answers that named a model
        other_models                answers by the other name that they had
        reasoning_answers           the newest answers with reasoning, 200 at most
        recurring_reasoning_tokens  counts that recur among these more often than chance explains, and how often
        upstream_base               selects the rows of this upstream
        """
        from cfp.core.traffic.reasoning import recurring  # noqa: PLC0415  not needed to listen

        rows = []
        for (base, model), row in reversed(self._rows.items()):
            counts = recurring(row.reasoning)
            if (row.others or counts) and (upstream_base is None or upstream_base == base):
                rows.append(
                    {
                        "upstream_base": base,
                        "model": model,
                        "answers": row.answers,
                        "other_models": dict(row.others),
                        "reasoning_answers": len(row.reasoning),
                        "recurring_reasoning_tokens": {str(count): times for count, times in counts.items()},
                    }
                )
        return rows
