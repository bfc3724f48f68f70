"""The worker's page for people: what a browser is served, and what it is told for as long as it looks.

visit      one request of a browser: for the page, one of its files, the state, or the events
feed       a visit that stays open and is told what changes; no request in flight, and the first to go in a drain
outlook    what only a look at files can tell: diagnosis, journal, last benchmark
state      all that the page shows, but for single requests
line       one finished request, as the request log has it
"""
