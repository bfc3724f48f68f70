"""The worker as a process: its command line, its lock, its listener, its event loop, its end.

worker     listens, keeps the list of client connections, sweeps and drains them
process    the worker's life in a process of its own, with signals
handover   a new worker takes the listening socket and the lock over; no stream is cut
drain      finish what runs, take nothing new
"""
