"""What the worker records of its requests and says of itself: never a header, a body, a query or a key.

record      the facts of one request while it runs
line        one finished request, as the request log has it
event       something that happened to the worker itself, on stderr
statistics  counts and medians by model and tier
"""
