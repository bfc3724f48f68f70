"""The small session on Windows runs a part of each folder whose tests take long."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shares import OF_A_SYSTEM, OF_NO_SYSTEM, OF_WINDOWS, SLOW, left_to_the_whole

REPOSITORY = Path(__file__).parents[1]
FILES = [
    *sorted(OF_A_SYSTEM | OF_WINDOWS | OF_NO_SYSTEM),
    "tests/end_to_end/test_turns.py",
    "tests/lifecycle/test_pairs.py",
]
TESTS = [f"{file}::test_{name}" for file in (*FILES, "tests/core/test_plan.py") for name in "ab"]
NAMES = st.lists(
    st.builds("{}{}".format, st.sampled_from(TESTS), st.sampled_from(["", "[one]", "[two]"])), unique=True
)


@pytest.mark.parametrize("file", FILES)
def test_a_named_file_exists(file: str) -> None:
    """A file that the table names is there, in a folder whose tests take long."""
    assert (REPOSITORY / file).is_file()
    assert file.startswith(SLOW)


@given(NAMES)
def test_each_subject_has_a_test(names: list[str]) -> None:
    """Of each file one test is run, of those of a system's own one case of each test, and of Windows' own all.

    Those that no system has a part in are left out.
    """
    run = [name for name in names if name not in left_to_the_whole(names)]
    assert files(names) - OF_NO_SYSTEM == files(run)
    own = [name for name in names if name.partition("::")[0] in OF_A_SYSTEM]
    assert functions(own) == functions(set(own) & set(run))
    for file in OF_WINDOWS | {"tests/core/test_plan.py"}:
        assert [name for name in names if name.startswith(file)] == [name for name in run if name.startswith(file)]


@given(NAMES)
def test_no_more_than_that(names: list[str]) -> None:
    """A slow folder runs no second case of a test."""
    slow = [name for name in names if name.startswith(SLOW) and name.partition("::")[0] not in OF_WINDOWS]
    run = set(slow) - left_to_the_whole(names)
    assert len(run) == len(functions(run))
    assert not files(run) & OF_NO_SYSTEM


def files(names: Iterable[str]) -> set[str]:
    return {name.partition("::")[0] for name in names}


def functions(names: Iterable[str]) -> set[str]:
    return {name.partition("[")[0] for name in names}
