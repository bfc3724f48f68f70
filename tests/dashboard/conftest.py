"""The machine of the end-to-end tests, here with a dashboard to look at."""

from tests.end_to_end.conftest import machine

__all__ = ["machine"]
