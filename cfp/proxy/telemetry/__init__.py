"""Records of requests and reports about the worker. They never contain a body, a query or a key.

Of the header fields of a request only the id of its Codex thread is recorded.

record      the facts of one request while it runs
line        one finished request, as it stands in the request log
event       something that happened to the worker itself, on stderr
statistics  counts and medians by model and tier
"""
