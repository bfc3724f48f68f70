"""The invariants after every recovery, I1 to I7, each as a function that returns complaints.

An empty list is a pass. They inspect the world from outside, and never ask the journal.
"""

from __future__ import annotations

import json
from pathlib import Path

from journal import Recovery
from tests.crash.simfs import SimFs, below
from tests.crash.story import Outcome, Processes, Story
from tests.crash.world import CANARY, ROOT

LASTING = {"history.jsonl", "lock"}


def i1_all_before_or_all_after(story: Story, was: SimFs, now: SimFs, outcome: Outcome | None) -> list[str]:
    """Check that bytes and modes of all targets are as before, or all as planned; as planned after a success."""
    befores, afters = [], []
    for target, change in story.targets():
        node, old = now.node(target), was.node(target)
        data = None if node is None else node.data
        mode = None if node is None else (node.mode, node.uid, node.gid, node.xattrs)
        kept = (change.mode, 0, 0, ()) if old is None else (old.mode, old.uid, old.gid, old.xattrs)
        befores.append(data == change.before and (data is None or mode == kept))
        afters.append(data == change.after and (data is None or mode == kept))
    if outcome == "committed" and not all(afters):
        return [f"I1: committed, but not all after: {afters}"]
    if outcome == "rolled_back" and not all(befores):
        return [f"I1: rolled back, but not all before: {befores}"]
    if not all(befores) and not all(afters):
        return [f"I1: mixed: before {befores}, after {afters}"]
    return []


def i2_foreign_edits_survive(edits: dict[str, bytes], now: SimFs) -> list[str]:
    """Check that every foreign edit is in a file or parked."""
    everything = [node.data for _, node in now.files()]
    return [f"I2: {key} is lost" for key, words in edits.items() if not any(words in data for data in everything)]


def i3_no_proxied_config_without_worker(story: Story, now: SimFs, machine: Processes) -> list[str]:
    """Check that a proxied config has a worker, and that no worker of a rolled back command is left."""
    return [f"I3: {complaint}" for complaint in story.wrong_workers(now, machine)]


def i4_nothing_left(story: Story, now: SimFs, *, parked: bool = False) -> list[str]:
    """Check that no staged file, image, open log or needless folder is left, and at most one history line."""
    complaints = []
    for path, _ in now.files():
        name = path.rpartition("/")[2]
        in_journal = path.startswith(below(story.root))
        if in_journal and name not in LASTING and not (parked and ".x" in name):
            complaints.append(f"I4: {path} is left")
        if not in_journal and name.startswith("."):
            complaints.append(f"I4: {path} is left")
    complaints += [f"I4: the folder {folder} is left empty" for folder in story.empty_folders(now)]
    ids = [entry["id"] for entry in history(now, story.root)]
    if len(ids) != len(set(ids)):
        complaints.append("I4: two history lines for one transaction")
    return complaints


def i5_secrets_stay_private(now: SimFs, targets: set[str]) -> list[str]:
    """Check that bytes of a secret are in private files only, and in no log or history."""
    complaints = []
    for path, node in now.files():
        if CANARY in node.data:
            if path not in targets and node.mode & 0o077 and not _is_staged(path, targets):
                complaints.append(f"I5: {path} has mode {node.mode:o}")
            if path.endswith((".open", ".new", ".jsonl")):
                complaints.append(f"I5: {path} holds a secret")
    return complaints


def i6_recovered_for_good(now: SimFs, again: SimFs, second: Recovery) -> list[str]:
    """Check that a second recovery decides nothing and changes nothing."""
    complaints = [] if second.kind == "clean" else [f"I6: the second recovery says {second.kind}"]
    if now.fingerprint() != again.fingerprint():
        complaints.append("I6: the second recovery changed something")
    return complaints


def i7_untouched_stays_itself(story: Story, was: SimFs, now: SimFs) -> list[str]:
    """Check that an unchanged file keeps inode and mtime, and a restored one its mtime."""
    complaints = []
    changes = dict(story.targets())
    for path, node in was.files():
        if path.startswith(below(story.root)) or not (path in changes or story.is_lasting(path)):
            continue
        change = changes.get(path)
        new = now.node(path)
        if new is None:
            if change is None:
                complaints.append(f"I7: {path} is gone")
        elif change is None or change.before == change.after:
            if now.seen[path] != was.seen[path] or new.mtime_ns != node.mtime_ns:
                complaints.append(f"I7: {path} was touched")
        elif new.data == change.before and new.mtime_ns != node.mtime_ns:
            complaints.append(f"I7: {path} was restored with another mtime")
    return complaints


def history(fs: SimFs, root: Path = ROOT) -> list[dict[str, object]]:
    lines = (fs.data(root / "history.jsonl") or b"").split(b"\n")
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _is_staged(path: str, targets: set[str]) -> bool:
    """Whether it is a complete staged file, which already has its target's mode."""
    folder, _, name = path.rpartition("/")
    return any(name.startswith(f".{target.rpartition('/')[2]}.") and target.startswith(folder) for target in targets)
