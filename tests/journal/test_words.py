"""The public names of the package, and the texts of its errors."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

import journal
from journal import Damaged, Drifted, Interrupted, JournalError, LockBusy, StorageFailed, Unsupported

A, B = Path("/a"), Path("/b")


@pytest.mark.parametrize("name", journal._MODULES)
def test_a_public_name_is_looked_up_once(name: str) -> None:
    """A public name is its module's object, and from then on an attribute of the package."""
    vars(journal).pop(name, None)
    value = getattr(journal, name)
    assert value is getattr(importlib.import_module(f"journal.{journal._MODULES[name]}"), name)
    assert vars(journal)[name] is value


def test_an_unknown_name_is_refused() -> None:
    """Another name raises Python's own AttributeError."""
    with pytest.raises(AttributeError, match=r"^module 'journal' has no attribute 'nothing'$"):
        _ = journal.nothing


@pytest.mark.parametrize(
    ("kind", "arguments", "text", "facts"),
    [
        (LockBusy, ({"pid": 1},), "another command holds the journal's lock", {"holder": {"pid": 1}}),
        (Interrupted, (["a", "b"],), "open transactions: a, b", {"transactions": ("a", "b")}),
        (Drifted, ([A, B],), f"changed by others: {A}, {B}", {"paths": (A, B)}),
        (Unsupported, (A, "why"), f"{A}: why", {"path": A, "reason": "why"}),
        (StorageFailed, (A, errno.EIO), f"{A}: EIO", {"path": A, "errno": errno.EIO}),
        (StorageFailed, (A, None), f"{A}: unknown error", {"path": A, "errno": None}),
        (Damaged, ("tx", [{"path": "/a"}]), "transaction tx is damaged", {"txid": "tx", "files": ({"path": "/a"},)}),
    ],
)
def test_an_error_has_a_text_and_its_facts(
    kind: type[JournalError], arguments: tuple[object, ...], text: str, facts: Mapping[str, object]
) -> None:
    """An error has a text for people and attributes for programs."""
    error = kind(*arguments)
    assert (str(error), vars(error)) == (text, facts)
