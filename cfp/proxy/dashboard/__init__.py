"""The dashboard: a page in the browser that shows a worker's state and requests, and follows them.

browser request  one request of a browser: for the page, one of its files, the state, or events
feed             a browser request that stays open and gets events; a drain closes feeds first
snapshot         facts from the home's files: diagnosis, changed files, benchmarks
state            everything that the page shows, except single requests
time saved       by Fast, in the requests of the log that a benchmark speaks for
line             one finished request, as the request log has it
"""
