"""The state machines of the mutating commands: a table of steps each, run over one journal transaction.

step     an effect, its edge in the diagram, and its inverse
table    a command as a straight line of steps
run      one walk through a table: to the end, or back to the beginning
switch   the subject of a run: the lease, the transaction, the workers, the settings
"""
