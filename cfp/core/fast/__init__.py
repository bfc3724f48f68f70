"""Fast as the user of one home has it.

in_effect  the line of `install` and `status`: for which requests Fast is added, and why for no others
"""
