"""Service tiers.

names    their names on the wire, in Codex's configuration and in results
rules    the user's rules about the tier of a request, by its kind and model, and the one that decides
records  the evidence about a provider's treatment of a tier, and its file
history  the results of earlier benchmarks, and their file
verdict  served, ignored, refused, unknown: by that evidence
"""
