"""The rules of the provider's key: its text, its Authorization value, and the file in which the proxy keeps it."""
