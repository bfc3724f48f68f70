"""The machine: everything that reads files, asks ports, starts processes or runs the Codex CLI.

survey     one look at one home
worker     the proxy process; it is only ever signalled where it is proven ours
probe      the question to a port: who are you?
secret     a text that shows itself only where asked
"""
