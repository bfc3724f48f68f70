"""Records of requests and reports about the worker. They never contain a header, a body, a query or a key.

record      the facts of one request while it runs
line        one finished request, as it stands in the request log
event       something that happened to the worker itself, on stderr
statistics  counts and medians by model and tier
"""
