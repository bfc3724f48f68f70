"""Fixtures of every test: a clean environment, a home of its own, and a real Codex where one is installed.

The tests of this repository start programs that edit a Codex home. So the process never sees the user's own
one: HOME points to a throw-away folder before the first test is imported, every variable that could lead
elsewhere is gone, and after each test the files that we could have touched by mistake must be as before.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cfp.audience import AGENTS
from tests import real_codex
from tests.certificates import self_signed
from tests.crash.sizes import SMALL, size
from tests.shares import leave_to_the_whole
from tests.systems import WINDOWS, lacking

pytest_plugins = ["tests.numbers"]

REPOSITORY = Path(__file__).parent.parent

# Repeatable unless asked: what a change did not break must not fail. `dev` explores at random, `deep` for hours.
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
# No deadline: one slow example on a busy machine says nothing about the code.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=size("EXAMPLES", 100, 100), deadline=None, derandomize=True, print_blob=True
)
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(PROFILE)

_KEEP = frozenset({"CFP_TEST_CODEX", "CFP_REQUIRE_CODEX", "CFP_REQUIRE_BROWSER", "CFP_REQUIRE_GATEWAY"})
_DROP_PREFIXES = ("CODEX_", "OPENAI_", "CFP_")
_DROP = frozenset(
    {
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("PYTHONSAFEPATH", "PYTHONPATH"),  # the planted-module tests must depend on our own flags alone
        "PYTHONDONTWRITEBYTECODE",  # thousands of interpreters start: each would compile us anew
        *AGENTS,  # an agent may run the tests
    }
)

# The user's files that a program of ours would write. Others (sessions, databases) change whenever Codex runs.
_PRECIOUS = (
    *("config.toml", "hooks.json", "auth.json", ".env"),
    *("codex-fast-proxy-state", "codex-fast-proxy-journal", "backups", "backups/codex-fast-proxy"),
    *("codex-fast-proxy-state/settings.json", "codex-fast-proxy-state/state"),
)

# What takes longest alone, and waits for most of that time. Each begins early, so that no core idles at the end.
LONGEST = (
    "tests/soak/test_soak.py::test_faults_stay_where_they_are",
    "tests/end_to_end/test_guides.py::test_the_guides_from_the_first_line_to_the_last_file",
    "tests/breakage/test_worker.py::test_a_worker_that_hangs_is_named_and_ended",
    "tests/end_to_end/test_takeover_running.py::test_killed_while_it_is_replaced",
    "tests/end_to_end/test_documents.py::test_the_guide",
    "tests/contract/test_results.py::test_every_answer_of_an_installations_life",
    "tests/contract/test_secrets.py::test_no_key_leaves_its_place",
    "tests/end_to_end/test_stories.py",
    "tests/end_to_end/test_way_to_ready.py",
    "tests/end_to_end/test_skill.py",
    "tests/end_to_end/test_handover_kills.py",
    "tests/end_to_end/test_upstream_kills.py",
    "tests/proxy/worker/test_ledger.py",
    "tests/end_to_end/test_crashes.py",
    "tests/lifecycle/test_lifecycles.py",
    "tests/lifecycle/test_saved_upstreams.py",
    "tests/crash/test_crashed_commands.py::test_no_crash_of_a_command_leaves_a_mixture[install]",
    "tests/crash/test_crashed_commands.py::test_no_crash_of_a_command_leaves_a_mixture[install through a link]",
)

_REAL_HOMES = frozenset(
    {
        Path(os.path.expanduser("~")) / ".codex",  # noqa: PTH111 (Path.home() raises where there is no home)
        Path(os.environ.get("CODEX_HOME") or "/nonexistent"),
    }
)
_SESSION_HOME = Path(tempfile.mkdtemp(prefix="cfp-tests-home-"))


def _clean_environment() -> None:
    for name in list(os.environ):
        doomed = name.upper() in _DROP or name.startswith(_DROP_PREFIXES)
        if doomed and name not in _KEEP and not name.startswith("CFP_TEST_"):
            del os.environ[name]
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(_SESSION_HOME)


# By default garbage is looked for at every 700 new objects: where 40,000 worlds are kept, a tenth of all the time.
gc.set_threshold(5_000, 20, 20)
_clean_environment()  # at import, so that no test module can be imported before it


def _fingerprint() -> dict[Path, tuple[int, int, int] | None]:
    """Inode, size and time of change of the files in the user's real homes, None for one that does not exist."""
    seen: dict[Path, tuple[int, int, int] | None] = {}
    for path in (home / name for home in _REAL_HOMES for name in _PRECIOUS):
        try:
            stat = path.stat()
        except OSError:
            seen[path] = None
        else:
            seen[path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return seen


def pytest_unconfigure() -> None:
    shutil.rmtree(_SESSION_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the real Codex by what it asks for; leave the deep sizes to the deep profile."""
    for item in items:
        if {"codex_cli", "each_codex"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real_codex)
        if WINDOWS and "each_codex" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason="each Codex: what differs is the version, not the system"))
        if mark := item.get_closest_marker("codex_since"):
            first, reason = mark.args
            older = real_codex.chosen_version() < real_codex.numbers(first)
            item.add_marker(pytest.mark.xfail(older, reason=f"since Codex {first}: {reason}", strict=True))
        if item.get_closest_marker("deep") and PROFILE != "deep":
            item.add_marker(pytest.mark.skip(reason="deep sizes: HYPOTHESIS_PROFILE=deep (nox -s deep)"))
        # In front of other marks: a condition of theirs may ask for what is lacking.
        for mark in list(item.iter_markers()):
            if reason := lacking(mark):
                item.add_marker(pytest.mark.skipif(condition=True, reason=reason), append=False)
    if SMALL:
        leave_to_the_whole(items)
    if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
        items[:] = dealt(items, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def dealt(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Put the longest tests in front: of each worker's share, since all begin with equally many tests in a row."""
    rank = {item: next((at for at, one in enumerate(LONGEST) if item.nodeid.startswith(one)), -1) for item in items}
    longest = sorted((item for item in items if rank[item] >= 0), key=rank.__getitem__)
    rest = iter([item for item in items if rank[item] < 0])
    hands: list[list[pytest.Item]] = [longest[worker::workers] for worker in range(workers)]
    for worker, hand in enumerate(hands):
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        hand.extend(itertools.islice(rest, max(0, share - len(hand))))
    return [*itertools.chain.from_iterable(hands), *rest]


@pytest.fixture(autouse=True)
def _real_home_is_untouched() -> Iterator[None]:
    """Whatever a test does, the user's own Codex home stays as it was."""
    before = _fingerprint()
    yield
    assert before == _fingerprint(), "a test changed the real Codex home of the user"


@pytest.fixture(scope="session")
def codex_cli() -> Path:
    """The real Codex CLI; without it the test is skipped, or fails where CFP_REQUIRE_CODEX=1."""
    return _required(real_codex.chosen())


@pytest.fixture(scope="session")
def codex_version(codex_cli: Path) -> real_codex.Version:
    """The version of that CLI, for an expectation that differs by version: (0, 130)."""
    return real_codex.version_of(codex_cli)


@pytest.fixture(scope="session", params=real_codex.each())
def each_codex(request: pytest.FixtureRequest) -> tuple[real_codex.Version, Path]:
    """The version and program of each pinned CLI, or of the one that the run is about; otherwise as `codex_cli`."""
    program = _required(real_codex.cli(request.param))
    return real_codex.version_of(program), program


def _required(codex: Path | str) -> Path:
    if isinstance(codex, Path):
        return codex
    if os.environ.get("CFP_REQUIRE_CODEX") == "1":
        pytest.fail(codex)
    pytest.skip(codex)


@pytest.fixture
def codex_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Codex home in a throw-away HOME; CODEX_HOME and HOME point there, for child processes too."""
    home = tmp_path / "home"
    codex_home = home / ".codex"
    codex_home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("CODEX_HOME", str(codex_home))
    return codex_home


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    return self_signed(tmp_path_factory.mktemp("tls"))
