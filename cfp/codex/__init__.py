r"""The formats that Codex owns: text in, text out, no IO.

config.toml   TOML 1.1 as Codex 0.169 reads it (newlines and trailing commas in inline tables, `\e`, `\x41`)
hooks.json    `{"hooks": {"SessionStart": [group, ...]}}`, group = `{"matcher"?, "hooks": [handler, ...]}`
hook trust    `[hooks.state."PATH:session_start:GROUP:HANDLER"]` in config.toml, by position and by hash
auth.json     the login and the API keys

Words
entry       one `key = value` of a TOML text
section     a table header and the entries up to the next one
own key     a key path that this program may set: the provider's base_url, the feature flag, the trust entry
spelling    a value as its owner wrote it (`'https://x'`, `0x1F`), as against what it means
tombstone   the group `{"hooks": []}` that keeps the positions of the groups behind it
"""
