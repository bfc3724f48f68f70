"""Rights to files: pure functions from what the system says to the users who may read.

descriptor   the security descriptor of a file on Windows: its owner and its access list
SID          the number of a user or a group on Windows
"""
