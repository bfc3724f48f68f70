"""Answers of `codex app-server` about a home, as values.

answers  what Codex says of its configuration, the hooks that it would run, and the settings in force
"""
