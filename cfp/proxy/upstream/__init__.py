"""Connections to the provider.

origin          scheme, host, port and base path of the provider's URL
dial            open one new connection
outbound proxy  a proxy between this machine and the provider, set in the environment
pool            connections that stay open between requests
"""
