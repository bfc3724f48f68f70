"""Service tiers: their names on the wire, in Codex's configuration and in results."""
