"""Decisions: pure functions from facts to plans, states and reports.

facts      all that was observed of one home, nothing derived
plan       the final bytes of every file and what to do about the worker, or a refusal
baseline   the user's files without us
state      of the installation, derived from facts and never read from a file
diagnosis  the one thing to know, with the one thing to do
"""
