"""Files between the user and others: who may read one, and who keeps one open.

private     nobody but the user may read it (on Windows also SYSTEM and Administrators)
open        to others: another user may read it
in use      another program keeps the file to itself, as Windows allows
holder      that program
"""
