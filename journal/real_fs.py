"""The operating system's own files."""

from __future__ import annotations


class RealFs:
    """The port on the real file system."""
