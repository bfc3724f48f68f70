"""One client connection and its requests: from admission over the plan for a request to its log line.

client connection  the leg to Codex; it has one conversation at a time
exchange           one request and its response
tunnel             a WebSocket, from its handshake to its end; a turn is one `response.create` in it
plan               what a request's head alone decides
"""
