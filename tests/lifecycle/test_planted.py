"""The state machine notices bugs that it once did not, the slowest in the deep sizes; `nox -s planted` plants all."""

from __future__ import annotations

import pytest

from tests.crash.sizes import PLANTED
from tests.lifecycle.planted import BUGS, falsified

QUICK = (
    "a failed command's worker stays",
    "no folder is made durable",
    "a stopped worker is not written down, so it never comes back",
)


@pytest.mark.parametrize("name", QUICK[:PLANTED])
def test_a_planted_bug_is_found(name: str) -> None:
    """Within the gate's number of homes, one of them shows it."""
    (bug,) = (bug for bug in BUGS if bug.name == name)
    assert falsified(bug, 320)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: object) -> None:
    """The text that it changes stands in its module, once."""
    assert compile(bug.source(), bug.name, "exec")
