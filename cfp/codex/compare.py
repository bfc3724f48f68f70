"""Equality of two parsed documents by meaning: types count (true is not 1), and NaN equals itself."""

from __future__ import annotations

from journal.values import Json


def equivalent(left: Json, right: Json) -> bool:
    """Compare two values from TOML or JSON, strictly and by meaning; the order of keys does not count."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equivalent(value, right[name]) for name, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equivalent, left, right))
    if isinstance(left, float):
        return repr(left) == repr(right)
    return bool(left == right)
