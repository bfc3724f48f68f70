"""The machine of the end-to-end tests, with a dashboard."""

from tests.end_to_end.conftest import machine

__all__ = ["machine"]
