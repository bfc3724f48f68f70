"""The worker: a loopback reverse proxy that adds a service tier, swaps a key, and changes nothing else.

downstream   the leg to Codex
upstream     the leg to the provider
head         start line and header fields of one message
exchange     one forwarded request and its response, until its log line
hop-by-hop   for the next machine only, never passed on (RFC 9110 7.6.1)
inspected    the body is held until it is complete, so that the tier can be added; every other body is streamed
tunnel       a WebSocket, from its handshake to its end; a turn is one `response.create` in it
drain        finish the running requests, accept nothing more
"""
