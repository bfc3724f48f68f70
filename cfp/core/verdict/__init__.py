"""Verdicts of Codex on a home: its own where a CLI was asked, else those of our own reading of its files.

loading   whether it loads config.toml and hooks.json
hook_run  whether it runs our hook, and the hook can start
"""
