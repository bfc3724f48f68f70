"""The way into a running worker: its health, its graceful end, and the loan of its listener and lock.

channel   requests to a worker and the answers, a line of JSON each; the same on every system
lines     the line, and what a loan lends: the lock and the listening sockets
_posix    a Unix socket, SCM_RIGHTS and flock
_windows  a loopback socket with a secret in a file, WSADuplicateSocket, DuplicateHandle and a file open for one alone
"""
