"""The machine: everything that reads files, asks ports, starts processes or runs the Codex CLI.

home       one Codex home with everything that a command may use of it
survey     reads a home once, into facts
worker     the proxy process; it gets a signal only once it is proven ours
probe      a health request to a port
secret     a text that only `reveal()` shows
"""
