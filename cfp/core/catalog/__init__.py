"""The catalogue of models that Codex gets from the proxy, where the provider's answer is none.

catalogue  `{"models": [entry…]}`, the answer to GET /models that Codex reads
entry      all that Codex knows of a model: its `slug`, instructions, context window, service tiers …
bundled    the entries that a release of Codex has in itself
list       the models of a provider in OpenAI's form, `{"object": "list", "data": [{"id": …}…]}`: names alone
alias      a provider's name for a bundled model that Codex does not recognize by it
"""
