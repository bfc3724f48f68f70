"""One module per verb. A command is `Args`, `add_arguments(parser)` and `run(args, host) -> Result`.

To add one: write `commands/VERB.py` and name it in `COMMANDS`; if it changes something, add `core/plan/VERB.py`
and a table in `lifecycle/tables.py`.
"""
