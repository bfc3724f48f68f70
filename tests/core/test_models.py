"""Names of models that mean the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.models import is_same_model

MODELS = st.sampled_from(["gpt-5", "gpt-5.5", "gpt-5-codex", "o4-mini", "GPT-6-sol", "deepseek-v4"])


@given(
    MODELS,
    st.sampled_from(["", "openai/", "relay/openai/"]),
    st.sampled_from(["", "-2026-01-01", "-20260101", "@20260101", "-latest", ":latest"]),
)
def test_a_snapshot_is_the_model_itself(model: str, vendor: str, date: str) -> None:
    """A date, a vendor before the name and another case are no difference, on either side."""
    named = f"{vendor}{model.lower()}{date}"
    assert is_same_model(model, named)
    assert is_same_model(named, model)


@given(MODELS, MODELS)
def test_another_model_is_another(requested: str, named: str) -> None:
    """Names that differ in more than that are two models."""
    assert (requested == named) == is_same_model(requested, named)


@pytest.mark.parametrize(
    ("requested", "named"), [("gpt-5", "gpt-5-mini"), ("gpt-5", "gpt-5-2026"), ("gpt-5", "gpt-5-1")]
)
def test_a_longer_name_is_another_model(requested: str, named: str) -> None:
    """A smaller sibling is another model, and so is a number that is no date."""
    assert not is_same_model(requested, named)


def test_no_name_contradicts_nothing() -> None:
    """A response or a request without a name is no evidence."""
    assert is_same_model("gpt-5", None)
    assert is_same_model(None, "gpt-5")
