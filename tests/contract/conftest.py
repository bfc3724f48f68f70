"""The machine of the end-to-end tests, here without Codex."""

from tests.end_to_end.conftest import machine

__all__ = ["machine"]
