"""The checks of `doctor`: pure functions from the facts of a home and its surroundings to a verdict.

check           a name and a function; `table` lists all of them in the order of the result
verdict         ok or not, a code, and the sentences for people
advice          a verdict that is ok and has a remedy all the same: doctor does not fail by it
"""
