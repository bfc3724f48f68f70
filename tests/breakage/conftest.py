"""The machines of the end-to-end tests, for tests of broken homes."""

from tests.end_to_end.conftest import codex, machine

__all__ = ["codex", "machine"]
