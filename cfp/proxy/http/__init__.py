"""HTTP/1.1 and WebSocket as bytes: what both legs of the worker speak. Only `socket_io` does IO.

message   a head, its body and its trailers, as `messages` names them
parser    bytes in, parts of messages out
relay     a message that goes on to the other leg, framed anew
splice    one more member in a JSON object, every other byte as it came
"""
