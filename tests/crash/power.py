"""Power cuts of a simulated file system: anything that no fsync covers may be lost.

Of the name changes that no `fsync_folder` has covered a prefix survives in each folder, or any subset; content that
no `fsync` has covered is old, torn inside a line or after one, full of zeros, empty or complete.
"""

from __future__ import annotations

import random

from journal.fs import FileType
from tests.crash.simfs import Node, SimFs, Step

FATES = 6
Draw = tuple[tuple[int, ...], tuple[int, ...]]


class PowerCut:
    """The worlds that one world may become; a draw chooses the surviving steps, and the state of each content."""

    def __init__(self, fs: SimFs) -> None:
        self._fs = fs
        self._steps: list[Step] = [step for steps in fs.pending.values() for step in steps]
        self._sizes = [len(steps) for steps in fs.pending.values()]
        self._dirty = [number for number, node in fs.nodes.items() if node.kind is FileType.FILE and node.dirty]

    def draw(self, choose: random.Random, *, any_subset: bool) -> Draw:
        kept: list[int] = []
        for size in self._sizes:
            if any_subset and not self._fs.windows:
                kept += [choose.getrandbits(1) for _ in range(size)]
            else:
                survivors = choose.randint(0, size)
                kept += [1] * survivors + [0] * (size - survivors)
        return tuple(kept), tuple(choose.randrange(FATES) for _ in self._dirty)

    def world(self, draw: Draw) -> SimFs:
        fs = self._fs
        names = dict(fs.disk)
        for step, survives in zip(self._steps, draw[0], strict=True):
            for path, number in step if survives else ():
                if number is None:
                    names.pop(path, None)
                else:
                    names[path] = number
        reachable: dict[str, int] = {}
        for path in sorted(names):  # a folder comes before what is in it
            parent = path.rpartition("/")[0]
            if not parent or parent in reachable:
                reachable[path] = names[path]
        fates = dict(zip(self._dirty, draw[1], strict=True))
        nodes = {
            number: _fallen(fs.nodes[number], fates[number]) if number in fates else fs.nodes[number]
            for number in set(reachable.values())
        }
        return fs.with_medium(nodes, reachable)


def _fallen(node: Node, fate: int) -> Node:
    old = node.disk or Node(kind=node.kind, mode=node.mode, uid=node.uid, gid=node.gid)
    if fate == 0:
        return old.but(disk=None).synced()
    same = _common_prefix(old.data, node.data)  # durable bytes stay, whatever is written after them
    if fate in {1, 5}:
        end = len(node.data) - (_common_suffix(old.data, node.data) if len(old.data) == len(node.data) else 0)
        middle = (same + end) // 2
        if fate == 5:
            middle = 1 + node.data.rfind(b"\n", same, end) or middle
        data = node.data[:middle] + old.data[middle:]
    elif fate == 2:
        data = node.data[:same] + bytes(len(node.data) - same)
    else:
        data = node.data[:same] if fate == 3 else node.data
    return node.but(data=data, disk=None).synced()


def _common_suffix(one: bytes, other: bytes) -> int:
    return _common_prefix(one[::-1], other[::-1])


def _common_prefix(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix, by bisection, since a log is mostly reserved zeros."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
