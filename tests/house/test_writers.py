"""Only the journal writes files and only `cli` prints, but for the listed exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.source import Module, dotted, modules

# A module, the calls, and why they do not go through the journal.
WRITERS = {
    "cfp/proxy/telemetry/request_log.py": (
        "append_to ?.replace",
        "the worker's own request log, appended for as long as it lives",
    ),
    "cfp/proxy/telemetry/ledger/ledger_file.py": (
        "append_to ?.replace ?.unlink",
        "the worker's own sums, replaced as a whole: a kill leaves the old ones, and the log has the rest",
    ),
    "cfp/proxy/worker/single_instance.py": (
        "os.open ?.unlink make_folder make_private",
        "the worker's lock and pid file, which live and die with it",
    ),
    "cfp/host/worker/spawn.py": (
        "append_to",
        "the worker's stdout and stderr, opened for it before it starts",
    ),
    "cfp/host/tier_records.py": (
        "append_to ?.replace ?.unlink",
        "the evidence about the provider's tiers, replaced whole; what is lost comes again with the next request",
    ),
    "cfp/fastpath.py": ("os.open", "the hook's note of what it has read; without it, it reads again"),
    "cfp/host/reserve.py": ("os.open ?.unlink make_private", "room for a full disk; its bytes mean nothing"),
    "cfp/host/worker/control/_posix.py": (
        "os.open ?.unlink ?.chmod ?.replace",
        "the worker's control socket, which lives and dies with it, and its lock",
    ),
    "cfp/host/worker/control/_windows.py": (
        "append_to ?.unlink ?.replace",
        "the file that leads to the worker's control channel, which lives and dies with it",
    ),
    "cfp/commands/autostart.py": ("append_to ?.replace", "the hook's log, one line for each start"),
    "cfp/cli.py": ("tempfile.mkstemp make_private", "the report of a bug, when nothing else can be relied on"),
    "cfp/host/system/skill_link.py": ("?.mkdir", "one link outside the Codex home"),
    "cfp/host/system/files/privacy.py": ("make_private", "the rights of our own files, not their content"),
    "cfp/host/system/git.py": ("tempfile.TemporaryDirectory", "a throw-away folder"),
    "cfp/host/system/scratch.py": ("tempfile.mkdtemp make_folder shutil.rmtree", "throw-away folders"),
    "cfp/bench/codex_exec.py": ("?.mkdir ?.write_text", "a throw-away Codex home"),
    "cfp/commands/demo.py": ("tempfile.mkdtemp shutil.rmtree", "the demo's throw-away folder"),
    "cfp/demo/home.py": ("?.mkdir ?.write_bytes ?.chmod", "the files of a user who does not exist, in that folder"),
}

PRINTERS = {"cfp/cli.py": "one JSON object on stdout", "cfp/hook_process.py": "the one object of a hook"}

_METHODS = frozenset(
    {
        *("write_text", "write_bytes", "touch", "truncate", "open"),
        *("unlink", "rmdir", "mkdir", "makedirs", "removedirs", "rmtree"),
        *("rename", "renames", "move", "copyfile", "copy2", "copytree"),
        *("symlink", "symlink_to", "hardlink_to", "link"),
        *("chmod", "fchmod", "lchmod", "chown", "utime", "ftruncate"),
        *("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"),
    }
)
_FUNCTIONS = frozenset({"os.replace", "os.remove", "shutil.copy"})
_PRIVATE = frozenset({"append_to", "make_folder", "make_private"})  # of `journal.private`
_READING = frozenset({"r", "rb", "rt"})


def _mode(call: ast.Call, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == "mode":
            return keyword.value
    return call.args[position] if len(call.args) > position else None


def _only_reads(call: ast.Call, name: str) -> bool:
    """Whether an `open` of either kind can be seen to read only."""
    if name == "os.open":
        text = ast.unparse(call)
        return "os.devnull" in text or ("os.O_RDONLY" in text and "os.O_CREAT" not in text)
    mode = _mode(call, 1 if name == "open" else 0)
    return mode is None or (isinstance(mode, ast.Constant) and mode.value in _READING)


def _writes(module: Module) -> Iterator[tuple[str, int]]:
    """Each call that changes a file or folder, by name and line."""
    for call in module.calls():
        name = dotted(call.func)
        last = name.rpartition(".")[2]
        is_method = "." in name or name == "open" or name in _PRIVATE
        is_path_replace = last == "replace" and len(call.args) == 1  # text takes two
        if not is_method or (name not in _FUNCTIONS and last not in _METHODS | _PRIVATE and not is_path_replace):
            continue
        if last == "open" and _only_reads(call, name):
            continue
        owner = name.rpartition(".")[0]
        yield (name if owner in {"os", "shutil", "tempfile"} or not owner else f"?.{last}"), call.lineno


def test_only_the_journal_writes() -> None:
    """A file that can outlive a crash half-written is written by `journal` alone; each exception has its reason."""
    writes = {
        f"{module.name}:{line} {name}"
        for module in modules("cfp")
        for name, line in _writes(module)
        if name not in WRITERS.get(module.name, ("", ""))[0].split()
    }
    assert set() == writes


def test_every_exception_is_needed() -> None:
    """A reason for something that is gone misleads whoever reads the table."""
    ours = modules("cfp")
    writes = {(module.name, name) for module in ours for name, _ in _writes(module)}
    there = {module.name for module in ours}
    allowed = {(module, name) for module in there & set(WRITERS) for name in WRITERS[module][0].split()}
    assert set() == allowed - writes


def test_only_cli_prints() -> None:
    """Results go through one place, so that stdout holds one JSON object and nothing else."""
    prints = {
        f"{module.name}:{node.lineno}"
        for module in modules("cfp", "journal")
        if module.name not in PRINTERS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.expr) and dotted(node) in {"print", "sys.stdout", "sys.stdout.buffer"}
    }
    assert set() == prints


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("open(path)", []),
        ("open(path, 'rb')", []),
        ("path.open()", []),
        ("path.open(mode='r')", []),
        ("os.open(path, os.O_RDONLY)", []),
        ("os.open(os.devnull, os.O_WRONLY)", []),
        ("text.replace('a', 'b')", []),
        ("replace(value, field=1)", []),
        ("link(skill)", []),
        ("open(path, 'w')", ["open"]),
        ("open(path, mode)", ["open"]),
        ("path.open('ab')", ["?.open"]),
        ("os.open(path, flags, 0o600)", ["os.open"]),
        ("os.replace(a, b)", ["os.replace"]),
        ("path.replace(other)", ["?.replace"]),
        ("(home / 'x').write_text('')", ["?.write_text"]),
        ("self.path.unlink()", ["?.unlink"]),
        ("shutil.rmtree(path)", ["shutil.rmtree"]),
    ],
)
def test_the_rule_sees_writes(source: str, expected: list[str]) -> None:
    """The check itself tells reading from writing."""
    assert expected == [name for name, _ in _writes(Module("x.py", source))]
