"""The real Codex CLIs that the tests run: the pinned one, and the older ones that .ci has locks of.

CFP_TEST_CODEX names another than the pinned one, by its version ("0.130") or its path; `nox -s codex_versions` runs
all tests with the CLI over each version. An expectation that differs is a table by version in its test, read by `at`;
a fact that holds from a version on is marked `codex_since`, and must not hold before it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

REPOSITORY: Final = Path(__file__).parent.parent
CACHE: Final = REPOSITORY / ".cache"
MISSING: Final = "the real Codex CLI is not installed: nox -s codex_cli"
# The tier on the wire with service_tier = "flex" and a model whose catalogue entry does not list it.
FLEX: Final[Mapping[str, str | None]] = {"0.130": "flex", "0.150": None, "0.171": "flex"}
Version = tuple[int, ...]
Value = TypeVar("Value")


def locked() -> dict[str, str]:
    """Return the version of each lock in .ci, and its folder; the pinned one is the last."""
    locks = {
        str(json.loads(path.read_text())["dependencies"]["@openai/codex"]): path.parent.name
        for path in (REPOSITORY / ".ci").glob("codex*/package.json")
    }
    return dict(sorted(locks.items(), key=lambda lock: numbers(lock[0])))


def numbers(version: str) -> Version:
    """Return the numbers of a version: "0.130" is (0, 130)."""
    return tuple(map(int, re.findall(r"\d+", version)))


LOCKED: Final = locked()
PINNED: Final = next(version for version, folder in LOCKED.items() if folder == "codex")


def cli(wanted: str | None) -> Path | str:
    """Return the CLI of a version or a path, None for the pinned one; or the reason why there is none.

    PATH is not searched: the version there can be any.
    """
    wanted = wanted or PINNED
    version = lock_of(wanted)
    if version is None:
        return Path(wanted) if Path(wanted).exists() else f"CFP_TEST_CODEX names {wanted}, which is not there"
    program = CACHE / LOCKED[version] / "node_modules" / ".bin" / "codex"
    return program if program.exists() else MISSING


def lock_of(wanted: str) -> str | None:
    """Return the locked version that a name such as "0.130" stands for, None where it is a path."""
    return next((one for one in LOCKED if f"{one}.".startswith(f"{wanted}.")), None)


def chosen() -> Path | str:
    """Return the CLI that this run is about, or the reason why there is none."""
    return cli(os.environ.get("CFP_TEST_CODEX"))


def chosen_version() -> Version:
    """Return the version of that CLI: the lock's, or what the program at the path says."""
    wanted = os.environ.get("CFP_TEST_CODEX") or PINNED
    version = lock_of(wanted)
    return version_of(Path(wanted)) if version is None else numbers(version)[:2]


def each() -> tuple[str, ...]:
    """Return the versions that a test of each version runs: all of them, or the one that this run is about."""
    wanted = os.environ.get("CFP_TEST_CODEX")
    return (wanted,) if wanted else tuple(LOCKED)


@cache
def version_of(program: Path) -> Version:
    """Return two numbers of the version that a CLI says it has."""
    answer = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout
    return numbers(answer)[:2]


def at(version: Version, table: Mapping[str, Value]) -> Value:
    """Return the value of the newest row that is not newer than the version; the rows are named by version."""
    first = max((row for row in table if numbers(row) <= version), key=numbers)
    return table[first]
