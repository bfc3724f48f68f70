"""The tests that the small session on Windows runs, of those folders whose tests take long there.

It runs every test of every other folder. `nox -s windows_whole` runs all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

# Computed in memory, or a home in so many states: alike on each system, but for how a step is taken. A case of each.
SLOW = tuple(f"tests/{folder}/" for folder in ("breakage", "crash", "end_to_end", "hard_cases", "lifecycle"))
# What Windows itself does is their subject: all of them.
OF_WINDOWS = frozenset(
    f"tests/{name}.py"
    for name in (
        *("crash/test_process_kills", "crash/test_windows", "end_to_end/test_stories"),
        *("hard_cases/test_files_in_use", "hard_cases/test_homes_of_windows"),
    )
)
# In two of them a file is a subject: one of its tests shows that it holds on Windows, too.
BY_FILE = ("tests/breakage/", "tests/end_to_end/")
# Not so where the subject is what a system does for us: processes, sockets, paths, hooks. Elsewhere it is HTTP, Codex
# and its files, or a home that lacks something.
OF_A_SYSTEM = frozenset(
    f"tests/end_to_end/test_{name}.py"
    for name in ("commands", "documents", "guides_powershell", "handover", "hook", "isolation")
)
# Subjects of the wire and of Codex's own rules, which take a minute each there, and no system has a part in them.
OF_NO_SYSTEM = frozenset(
    f"tests/end_to_end/test_{name}.py"
    for name in (
        *(
            "agents",
            "benchmark",
            "catalogue_facts",
            "codex_key",
            "fast_rules",
            "framing",
            "hook_in_vain",
            "identities",
        ),
        *("keys", "model_catalog", "one_diagnosis", "outages", "rate_limits", "redirects", "refused_key"),
        *("route_in_force", "skill", "tier_choice", "way_to_ready", "wrong_urls"),
    )
)
LEFT_OUT = "left to nox -s windows_whole: a case that no system tells apart"


def left_to_the_whole(names: Sequence[str]) -> frozenset[str]:
    """Return those of the tests, by their pytest ids, that the small session leaves out."""
    counts = Counter[str]()
    left = set[str]()
    for name in names:
        file, _, test = name.partition("::")
        if not file.startswith(SLOW) or file in OF_WINDOWS:
            continue
        if file in OF_NO_SYSTEM:
            left.add(name)
            continue
        alike = file.startswith(BY_FILE) and file not in OF_A_SYSTEM
        subject = file if alike else f"{file}::{test.partition('[')[0]}"
        counts[subject] += 1
        if counts[subject] > 1:
            left.add(name)
    return frozenset(left)


def leave_to_the_whole(items: Sequence[pytest.Item]) -> None:
    """Mark the tests that the small session leaves out; those that are skipped anyway keep their reason."""
    names = [item.nodeid for item in items if not _is_skipped(item)]
    left = left_to_the_whole(names)
    for item in items:
        if item.nodeid in left:
            item.add_marker(pytest.mark.skip(reason=LEFT_OUT))


def _is_skipped(item: pytest.Item) -> bool:
    marks = [*item.iter_markers("skip"), *item.iter_markers("skipif")]
    return any(mark.name == "skip" or mark.kwargs.get("condition") is True for mark in marks)
