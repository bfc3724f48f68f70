"""The project on Windows, run on Debian: the official CPython for Windows, its wheels and codex.exe, under Wine.

toolchain   builds the interpreter and fetches codex.exe into .cache/windows
wine        runs a Windows program with pipes as its standard streams
"""
