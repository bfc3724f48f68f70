"""Fast as the user of one home has it.

verdicts   the provider's treatment of the tier, for each model of which there is evidence
in_effect  the line of `install` and `status`: for which requests Fast is added, and why for no others
"""
