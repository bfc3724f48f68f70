"""Fast and auth split for Codex with third-party providers, switched on and off without losing a byte.

observe once (`host.survey`), decide purely (`core`), act only through the journal (`lifecycle`), report a value
(`result`). docs/architecture.md draws the house.
"""

__version__ = "0.3.0"
