"""Break the journal in one small way at a time, and see whether its tests notice.

    python -m tests.crash.mutants [--part N/M] [--only MODULE] [--survivors] [--resume]

The tests are collected once, and run once to record the lines of the journal that each of them runs. Then every
mutant gets a process of its own, forked from this one: it replaces the code of the changed function, and runs the
tests of its lines, the one that noticed it last time first, then the fastest first, until one fails.

Survivors are printed at once, and the score at the end; a survivor that is not listed in EXCUSED with its reason
makes the exit code 1, and so does an excuse that is not needed.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import itertools
import json
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import coverage
import pytest

from tests.crash.excused import EXCUSED
from tests.crash.mutations import Mutant, mutants_of
from tests.systems import posix_module

resource = posix_module("resource")
REPOSITORY = Path(__file__).parent.parent.parent
NOTES = REPOSITORY / ".cache" / "mutants.jsonl"
SECONDS = NOTES.with_suffix(".seconds")
TESTS = (
    "tests/journal",
    *(f"tests/crash/test_{name}.py" for name in ("broken_logs", "faults", "crashes", "foreign_edits")),
)
# These break barriers themselves, and expect a complaint: they cannot notice a mutant.
OTHERS = (
    *("test_every_barrier_is_needed", "test_commit_and_removal_of_the_log_back_each_other_up"),
    *("test_barriers_of_the_recovery_are_needed_too", "test_the_list_of_redundant_barriers_is_current"),
)
SMALL = {
    "CFP_TEST_CRASH_IMAGES": "4000",
    "CFP_TEST_CRASH_DEPTH": "2",
    "CFP_TEST_FAULT_CODES": "1",
    "HYPOTHESIS_PROFILE": "ci",
}
LONGEST = 300.0  # seconds; a mutant that never ends counts as noticed
MOST_MEMORY = 4 << 30  # bytes; so does one that grows
MOST_WORK = 60  # seconds of CPU time; so does one that spins
WRONG = b"\0wrong: "
Say = Callable[[str], None]


@dataclass(frozen=True)
class Reach:
    """The time of one test, in seconds, and the lines of the journal that it ran."""

    seconds: float
    lines: dict[str, set[int]]


@dataclass
class Notes:
    """The test that noticed each mutant last time, "" for none, and the time of each test. Kept between runs."""

    state: str
    seconds: dict[str, float] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        if SECONDS.exists():
            self.seconds = json.loads(SECONDS.read_text())
        for line in NOTES.read_text().splitlines() if NOTES.exists() else ():
            note = json.loads(line)
            self.last[note["mutant"]] = note["by"]
            if note["state"] == self.state:
                self.current[note["mutant"]] = note["by"]

    def time(self, seconds: dict[str, float]) -> None:
        SECONDS.write_text(json.dumps(self.seconds | seconds))

    def add(self, mutant: Mutant, by: str) -> None:
        with NOTES.open("a") as file:
            file.write(json.dumps({"mutant": mutant.name, "by": by, "state": self.state}) + "\n")


def state_of_the_tree() -> str:
    """Return a digest of the journal and its tests: notes of another digest only order the tests."""
    paths = sorted(
        path for folder in ("journal", "tests/journal", "tests/crash") for path in (REPOSITORY / folder).glob("*.py")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths if path.name != "excused.py")).hexdigest()[:16]


class Trials:
    """A loop for pytest that runs no test in this process and many in others."""

    def __init__(self, mutants: Sequence[Mutant], notes: Notes, *, resume: bool, quick: float, say: Say) -> None:
        self.mutants = mutants
        self.notes = notes
        self.resume = resume
        self.quick = quick
        self.say = say
        self.survivors: list[str] = []
        self.broken: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [item for item in session.items if getattr(item, "originalname", "") not in OTHERS]
        began = time.monotonic()
        items = [item for item in items if self.notes.seconds.get(item.nodeid, 0.0) <= self.quick]
        reaches = self.reaches(session, items)
        self.broken = [item.nodeid for item in items if item.nodeid not in reaches]
        if self.broken:
            return True
        self.say(f"{len(items)} tests in {sum(reach.seconds for reach in reaches.values()):.0f} s")
        functions = living_functions()
        items = [item for item in items if reaches[item.nodeid].seconds <= self.quick]
        for done, mutant in enumerate(self.mutants, 1):
            by = self.notes.current.get(mutant.name) if self.resume else None
            if by is None:
                by = self.noticed_by(session, mutant, in_order(items, reaches, mutant, self.notes.last), functions)
                self.notes.add(mutant, by)
            if not by:
                self.survivors.append(mutant.name)
                self.say(f"survived: {mutant.name}  ({EXCUSED.get(mutant.name, 'not excused')})")
            if done % 100 == 0:
                self.say(f"{done} of {len(self.mutants)} after {time.monotonic() - began:.0f} s")
        return True

    def reaches(self, session: pytest.Session, items: Sequence[pytest.Item]) -> dict[str, Reach]:
        """Return lines and time of each passing test; kept for the next run on the same tree."""
        kept = NOTES.with_suffix(f".{self.notes.state}-{self.quick:g}")
        if not kept.exists():
            for old in NOTES.parent.glob(f"{NOTES.stem}.*-{self.quick:g}"):
                old.unlink()
            outcome = in_child(lambda: baseline(session, items))
            if outcome is None:
                return {}
            kept.write_bytes(outcome)
            self.notes.time({test: reach.seconds for test, reach in pickle.loads(outcome).items()})  # noqa: S301 - our own
        return pickle.loads(kept.read_bytes())  # noqa: S301 - our own

    def noticed_by(
        self,
        session: pytest.Session,
        mutant: Mutant,
        items: Sequence[pytest.Item],
        functions: dict[tuple[str, str, int], list[FunctionType]],
    ) -> str:
        def trial() -> bytes:
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_WORK, MOST_WORK))
            become(mutant, functions)
            return failing(session, items).encode()

        answer = in_child(trial)
        return "it ended the process, or never ended" if answer is None else answer.decode()


def in_order(
    items: Sequence[pytest.Item], reaches: dict[str, Reach], mutant: Mutant, last: dict[str, str]
) -> list[pytest.Item]:
    """Return the tests that run the mutant's lines: the one that noticed it last time, then the fastest first."""
    path = str(mutant.path)
    able = [item for item in items if not reaches[item.nodeid].lines.get(path, set()).isdisjoint(mutant.lines)]
    return sorted(able, key=lambda item: (item.nodeid != last.get(mutant.name), reaches[item.nodeid].seconds))


def living_functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return every function object of the journal by file, qualified name and first line."""
    imported()
    functions: dict[tuple[str, str, int], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            code = one.__code__
            functions.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(one)
    return functions


def imported() -> list[ModuleType]:
    return [
        importlib.import_module("journal" if path.stem == "__init__" else f"journal.{path.stem}")
        for path in journal_modules()
    ]


def become(mutant: Mutant, functions: dict[tuple[str, str, int], list[FunctionType]]) -> None:
    """Replace the code of the mutant's function in this process."""
    code = next(find_code(compile(mutant.code, str(mutant.path), "exec"), mutant.function))
    for function in functions[str(mutant.path), *mutant.function]:
        function.__code__ = code


def find_code(code: CodeType, wanted: tuple[str, int]):  # noqa: ANN201 - Iterator[CodeType]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if (constant.co_qualname, constant.co_firstlineno) == wanted:
                yield constant
            yield from find_code(constant, wanted)


def failing(session: pytest.Session, items: Sequence[pytest.Item]) -> str:
    """Run tests until one fails, and return its id; "" where none fails, or where there is none."""
    for item, following in itertools.zip_longest(items, items[1:]):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return item.nodeid
    return ""


def baseline(session: pytest.Session, items: Sequence[pytest.Item]) -> bytes:
    """Return the lines and the time of each passing test, pickled."""
    watch = coverage.Coverage(data_file=None, config_file=False, include=[str(REPOSITORY / "journal" / "*")])
    caches = [one for module in imported() for one in vars(module).values() if hasattr(one, "cache_clear")]
    passed: dict[str, float] = {}
    watch.start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        for cache in caches:  # a cache hit would hide the lines that a later test needs
            cache.cache_clear()
        watch.switch_context(item.nodeid)
        began, failed = time.perf_counter(), session.testsfailed
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed == failed:
            passed[item.nodeid] = time.perf_counter() - began
    watch.stop()
    data = watch.get_data()
    lines: dict[str, dict[str, set[int]]] = {test: {} for test in passed}
    for file in data.measured_files():
        for line, tests in data.contexts_by_lineno(file).items():
            for test in tests:
                if test in lines:
                    lines[test].setdefault(file, set()).add(line)
    return pickle.dumps({test: Reach(seconds, lines[test]) for test, seconds in passed.items()})


def in_child(work: Callable[[], bytes]) -> bytes | None:
    """Return the result of `work` in a fork of this process; None where it ended otherwise, or timed out.

    Raises RuntimeError for an exception of `work`: that is an error of this harness, and says nothing of a mutant.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            os.close(reader)
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(pickled_or_error(work))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    deadline, answer = time.monotonic() + LONGEST, b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not (more := pipe.read(1 << 20)):
                break
            answer += more
        else:
            os.killpg(child, signal.SIGKILL)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        return None
    if answer.startswith(WRONG):
        raise RuntimeError(answer.removeprefix(WRONG).decode())
    return answer


def pickled_or_error(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except MemoryError:  # a mutant that grows
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the parent raises it
        return WRONG + traceback.format_exc().encode()


def journal_modules() -> list[Path]:
    """Return the journal's modules, but for those of other systems, which cannot be imported here."""
    of_others = {"win32": ("posix", "linux", "macos"), "darwin": ("windows", "win32", "linux")}
    foreign = of_others.get(sys.platform, ("windows", "win32", "macos"))
    return sorted(
        path for path in (REPOSITORY / "journal").glob("*.py") if not any(name in path.stem for name in foreign)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="1/1", help="the Nth of M parts, each a sample of all modules")
    parser.add_argument("--only", default="", help="a module's name")
    parser.add_argument("--survivors", action="store_true", help="only those that nobody noticed last time")
    parser.add_argument("--quick", type=float, default=1e9, help="only tests that take no longer, in seconds")
    parser.add_argument("--resume", action="store_true", help="believe what an unfinished run of the same tree found")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    say: Say = lambda line: print(line, flush=True)  # noqa: T201, E731 - the answer
    os.environ.update(SMALL)
    os.chdir(REPOSITORY)
    NOTES.parent.mkdir(exist_ok=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with SIGINT ignored
    notes = Notes(state_of_the_tree())
    notes.read()
    every = [one for path in journal_modules() if arguments.only in {"", path.stem} for one in mutants_of(path)]
    mine = [one for one in every if not (arguments.survivors and notes.last.get(one.name))][part - 1 :: parts]
    trials = Trials(mine, notes, resume=arguments.resume, quick=arguments.quick, say=say)
    began = time.monotonic()
    quiet = (
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=--import-mode=importlib",
        "-o",
        "tmp_path_retention_policy=failed",
    )
    pytest.main(["-qq", "-s", "--assert=plain", *quiet, "--timeout=20", *TESTS], plugins=[trials])
    if trials.broken:
        say(f"these fail with the journal as it is: {trials.broken}")
        return 2
    unexcused = [name for name in trials.survivors if name not in EXCUSED]
    needless = sorted({one.name for one in mine} & set(EXCUSED) - set(trials.survivors))
    noticed = len(mine) - len(trials.survivors)
    say(
        f"{noticed} of {len(mine)} mutants noticed ({100 * noticed / max(1, len(mine)):.1f} %), "
        f"{len(trials.survivors)} survive, {len(unexcused)} of them unexcused; {time.monotonic() - began:.0f} s"
    )
    for name in needless:
        say(f"an excuse for a mutant that is noticed: {name}")
    return bool(unexcused or needless)


if __name__ == "__main__":
    sys.exit(main())
