"""The identity and the key that a provider receives.

identity  a key, a login of Codex or none: that which Codex sends, and that which passes the proxy
key       the one that the proxy sends in its place
steps     the commands that lead from the one to the other
"""
