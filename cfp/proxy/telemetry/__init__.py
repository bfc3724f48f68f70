"""Records of requests and reports about the worker. They never contain a body, a query, a key, or a header but the thread's id.

record      the facts of one request while it runs
line        one finished request, as it stands in the request log
event       something that happened to the worker itself, on stderr
statistics  counts and medians by model and tier
"""
