"""The worker as a process: its command line, lock, listener, event loop and handover.

worker     listens, keeps the list of client connections, checks their time limits and drains them
process    the worker in a process of its own, from the lock to the last signal
warm_up    the imports that serving may ever need, soon after the start
handover   a new worker takes the listening socket and the lock over; no stream is cut
drain      finish the running requests, accept nothing more
"""
