"""Connections to the provider.

origin          scheme, host, port and base path of the provider's URL
dial            open one new connection; wait for an upstream that is away
path            the way out of this machine that a connection takes, and the kernel's watch over it
outbound proxy  a proxy between this machine and the provider, set in the environment
pool            connections that stay open between requests
"""
