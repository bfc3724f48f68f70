"""Saved upstreams: routes with names, and the decisions of `upstream`.

saved upstream  a provider's URL, the source of its key, and what set-upstream can set beside them, under a name
active          the saved upstream whose route the settings have; there is one at the most
entry           the place of its key in provider-auth.json: by name and URL, so that no other URL can get the key
"""
