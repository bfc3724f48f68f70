"""The way to the provider: where it is, how a connection to it is made, which connections are kept.

origin          scheme, host, port and base path of the provider's URL
dial            open one new connection
outbound proxy  a proxy between this machine and the provider, named by the environment
pool            connections that are kept between requests
"""
