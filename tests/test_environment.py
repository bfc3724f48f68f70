"""The promises of conftest.py themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import real_codex
from tests.conftest import LONGEST, REPOSITORY, dealt


def test_no_variable_leads_out_of_the_tests() -> None:
    """A proxy, a key or a Codex home of the user's shell reaches no test."""
    leaks = [n for n in os.environ if n.upper().endswith("_PROXY") or n.startswith(("CODEX_", "OPENAI_"))]
    assert leaks == []


def test_the_home_is_thrown_away(tmp_path: Path) -> None:
    """`~` is a temporary folder even in a test that asks for nothing."""
    assert Path.home().name.startswith("cfp-tests-home-")
    assert Path.home() not in tmp_path.parents


@dataclass(frozen=True, slots=True)
class Named:
    """A test as the order of tests sees it."""

    nodeid: str


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_every_worker_begins_with_a_long_test(workers: int) -> None:
    """However many there are: no test is lost or done twice, and the others keep their order."""
    short = [Named(f"tests/core/test_plan.py::test_{number}") for number in range(29)]
    items = [*short[:20], *(Named(f"{name}[0]") for name in LONGEST), *short[20:]]
    order = dealt(items, workers)
    assert [*map(id, short)] == [id(item) for item in order if item in short]
    assert len(items) == len({*order})
    shares = [order[len(items) * worker // workers] for worker in range(workers)]
    assert all(item.nodeid.startswith(LONGEST) for item in shares)


def test_the_longest_tests_are_there() -> None:
    """Each name in that list is one of a test."""
    for name in LONGEST:
        path, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}" in (REPOSITORY / path).read_text()


def test_a_codex_home_of_ones_own(codex_home: Path) -> None:
    """The fixture's home is what a child process would find by either rule of Codex."""
    assert os.environ["CODEX_HOME"] == str(codex_home)
    assert Path("~/.codex").expanduser() == codex_home
    assert [] == list(codex_home.iterdir())


def test_the_real_codex_is_the_pinned_one(codex_cli: Path, request: pytest.FixtureRequest) -> None:
    """An installed CLI runs from the cache or from the variable's path, never from PATH."""
    assert codex_cli.exists()
    assert request.node.get_closest_marker("real_codex") is not None


def test_each_lock_has_its_name() -> None:
    """Two numbers of a version name its lock, and a path none; the pinned one is the newest."""
    assert {real_codex.lock_of(version.rpartition(".")[0]) for version in real_codex.LOCKED} == {*real_codex.LOCKED}
    assert [None, None] == [real_codex.lock_of(name) for name in ("0.1", "/usr/bin/codex")]
    assert real_codex.PINNED == [*real_codex.LOCKED][-1]


@pytest.mark.parametrize(("version", "row"), [((0, 130), "a"), ((0, 149), "a"), ((0, 150), "b"), ((1, 0), "b")])
def test_an_expectation_by_version(version: tuple[int, ...], row: str) -> None:
    """A row holds from its version on, until the next one."""
    assert row == real_codex.at(version, {"0.130": "a", "0.150": "b"})


def test_the_version_of_the_run_is_that_of_its_program(codex_version: tuple[int, ...]) -> None:
    """The lock's version, by which tests are marked, is what the program says."""
    assert codex_version == real_codex.chosen_version()
