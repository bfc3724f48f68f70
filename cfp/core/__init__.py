"""Decisions: pure functions from facts to plans, states and reports.

facts      one home as it was read at one moment
plan       the final bytes of every file and the action on the worker, or a refusal
baseline   the user's files without our changes
state      of the installation, derived from facts and never read from a file
diagnosis  the first thing that is not as it should be, with its remedy
check      one of doctor's questions to the facts; its result has a remedy where it fails
"""
