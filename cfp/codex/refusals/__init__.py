"""Forms that Codex refuses, as far as this program reads them itself; where a CLI is found, Codex is asked instead.

config  what of config.toml keeps Codex from starting
hooks   what of the hooks makes Codex drop all of a file
"""
