"""One client connection and its requests, from their admission to their log lines.

client connection  the leg to Codex; it has one conversation at a time
conversation       an exchange, a tunnel, or a browser's request to the dashboard
plan               the decisions that a request's head alone allows
exchange           one forwarded request and its response
local exchange     one request that is answered here, or handed to another conversation
tunnel             a WebSocket, from its handshake to its end; a turn is one `response.create` in it
phase              the state of a connection, an exchange or a tunnel
"""
