"""The identity and the key that a provider receives.

identity   a key, a login of Codex or none: that which Codex sends, and that which passes the proxy
key        the one that the proxy sends in its place
codex_key  the keys of config.toml by which Codex sends it itself
steps      the commands that lead from a login to a key
"""
