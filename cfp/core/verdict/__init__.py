"""Verdicts of Codex on a home: its own where a CLI was asked, else those of our own reading of its files.

loading   whether it loads config.toml and hooks.json
route     which provider, URL and tier are in force, and the file that sets each
hook_run  whether it runs our hook, and the hook can start
"""
