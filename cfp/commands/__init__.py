"""One module per verb, and the registry of them: a command is `Args`, `add_arguments(parser)`, `run(args, host)`.

To add one: write `commands/VERB.py` and name it in `COMMANDS`; if it changes something, add `core/plan/VERB.py`
and a table in `lifecycle/tables.py`. `serve` alone owns its command line, because its start is waited for.
"""

from __future__ import annotations

from typing import Final

# verb -> (module, what it does in a line)
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "install": ("install", "enable the proxy: start it, then switch the Codex config"),
    "uninstall": ("uninstall", "give everything back; in two runs with --defer-stop"),
    "status": ("status", "what is installed, what runs, and the one thing to do next"),
    "doctor": ("doctor", "sixteen checks, each with what mends it"),
    "start": ("start", "start the proxy, or refresh a stale one"),
    "stop": ("stop", "stop the proxy"),
    "set-upstream": ("set_upstream", "change the provider's URL, key or policy while the proxy is enabled"),
    "verify-upstream": ("verify_upstream", "try a URL, key or policy and change nothing"),
    "prepare-chatgpt-login": ("prepare_login", "let the proxy keep the provider's key, so that ChatGPT can sign in"),
    "benchmark": ("benchmark", "measure whether the priority tier is faster here; costs quota"),
    "autostart": ("autostart", "what the SessionStart hook runs: start a missing proxy"),
    "recover": ("recover", "settle an interrupted command"),
    "journal": ("journal", "list or show transactions, redacted"),
    "check-update": ("check_update", "compare this checkout with its remote; read-only"),
    "link-skill": ("link_skill", "let agents find SKILL.md"),
    "unlink-skill": ("unlink_skill", "undo link-skill"),
    "completion": ("completion", "print a completion script for bash, zsh or fish"),
    "demo": ("demo", "the whole story on a throw-away home, without a network"),
    "serve": ("serve", "the proxy itself, in the foreground"),
}
