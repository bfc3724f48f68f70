"""The ledger: sums of the model requests in the request log, day by day, which outlive the log.

The log is the record, and the ledger a fold of it: one file holds the sums and, for each file of the log, the number
of bytes that are in them. Both are replaced together, so a line counts once whenever a worker is killed, and the fold
can be repeated by anyone who reads the log. A worker folds a log file when it has become full; `usage` adds the rest.

entry    one line of the log, as far as the ledger reads it
row      the sums of one day's requests that have the same model, tier, kind and session
segment  one file of the log, known by its first line wherever rotation moves it
gap      a time of which the log was removed before it was folded
"""
