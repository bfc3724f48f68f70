"""A health answer is parsed once; any JSON object is either a worker's or none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.health import WorkerHealth, parse_health

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()) | st.just({"a": 1})
FIELDS = dataclasses.fields(WorkerHealth)
OTHERS = {"pid", "raw", "traffic", "refused_models"}
DEFAULTS = {field.name: field.default for field in FIELDS if field.name not in OTHERS}


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), VALUES), st.integers())
def test_a_field_of_another_type_has_its_default(answer: dict[str, Any], pid: int) -> None:
    """Whatever the answer's fields hold, each parsed field is what was answered or its default."""
    answer |= {"pid": pid}
    health = parse_health(answer)
    assert health is not None
    assert (pid, answer) == (health.pid, health.raw)
    for name, default in DEFAULTS.items():
        assert getattr(health, name) in [default, answer.get(name, default)]


@pytest.mark.parametrize("answer", [{}, {"pid": None}, {"pid": "7"}, {"pid": True}])
def test_an_answer_without_a_process_id_is_no_health(answer: dict[str, Any]) -> None:
    """Nobody could be stopped or replaced by it."""
    assert parse_health(answer) is None


def test_a_worker_of_0_1_0_has_no_nonce_and_counts_nothing() -> None:
    """Its answer ends where later versions went on."""
    answer = {"ok": True, "pid": 7, "upstream_base": "https://relay.example/v1"}
    expected = WorkerHealth(pid=7, ok=True, upstream_base="https://relay.example/v1", raw=answer)
    assert expected == parse_health(answer)
