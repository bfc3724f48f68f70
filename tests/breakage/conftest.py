"""The machines of the end-to-end tests, for tests of bad days."""

from tests.end_to_end.conftest import codex, machine

__all__ = ["codex", "machine"]
