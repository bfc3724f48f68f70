"""The worker: a loopback reverse proxy that adds a service tier, swaps a key, and changes nothing else.

downstream   the leg to Codex
upstream     the leg to the provider
head         start line and header fields of one message
exchange     one request and its response, from admission to its log line
hop-by-hop   for the next machine only, never passed on (RFC 9110 7.6.1)
inspected    the body is held whole so that one member can be added; every other body streams
tunnel       a WebSocket, from its handshake to its end; a turn is one `response.create` in it
drain        finish what runs, take nothing new
"""
