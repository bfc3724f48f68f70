"""The checks of `doctor`: pure functions from the facts of a home and its surroundings to a result.

check           a name and a function; `table` lists all of them in the order of the result
result         ok or not, a code, and the sentences for people
advice          a result that is ok and has a remedy all the same: doctor does not fail by it
"""
