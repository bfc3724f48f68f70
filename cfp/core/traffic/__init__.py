"""Finished requests: the purpose and outcome of each, and the trouble that the newest ones point to."""
