"""HTTP/1.1 and WebSocket on both legs of the worker, as bytes. Only `socket_io` does IO.

message   a head, its body and its trailers; `messages` has the types
parser    turns bytes into the parts of messages
relay     sends a message on to the other leg with framing of its own
splice    inserts one member into a JSON object and changes no other byte
"""
