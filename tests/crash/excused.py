"""Mutants of the journal that no test can notice, each with the reason: the code is right either way."""

from __future__ import annotations

EXCUSED: dict[str, str] = {}
