"""The verbs: one module each, with a `COMMAND` (see `command.Command`), and the registry of their names.

To add a verb, write `commands/VERB.py` and name it in `GROUPS`; if it changes something, add `core/plan/VERB.py` and
a table in `lifecycle/tables.py`. Only `serve` parses its own command line, because its start is waited for.
"""

from __future__ import annotations

from typing import Final

# task -> verb -> (module, summary)
GROUPS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Switch on and off": {
        "install": ("install", "enable the proxy: start it, then switch the Codex config"),
        "uninstall": ("uninstall", "restore your Codex files and stop the proxy"),
        "start": ("start", "start the proxy, or replace one that runs older code or settings"),
        "stop": ("stop", "stop the proxy"),
    },
    "Look at the state": {
        "status": ("status", "show what is installed, what runs, and the next step"),
        "doctor": ("doctor", "check the installation; each check shows its evidence and its remedy"),
        "dashboard": ("dashboard", "open the proxy's dashboard in the browser"),
        "logs": ("logs", "show the last requests; with --follow, each new one when it ends"),
        "usage": ("usage", "add up requests, tokens, times and Fast by day, model, tier, kind or session"),
        "check-update": ("check_update", "say whether there is an update, and how to get it; read-only"),
    },
    "Change where requests go": {
        "set-upstream": ("set_upstream", "change the provider's URL, key or policy while the proxy is enabled"),
        "fast": ("fast", "rules about Fast: for which kinds of requests and models it is added or removed"),
        "upstream": ("upstream", "save routes under names, list them, and switch between them"),
        "verify-upstream": ("verify_upstream", "try a URL, key or policy with one request; changes nothing"),
        "prepare-chatgpt-login": (
            "prepare_login",
            "let the proxy keep the provider's key, so that ChatGPT can sign in",
        ),
    },
    "Try and measure": {
        "run": ("run", "run one Codex session through a temporary proxy; no file of yours changes"),
        "demo": ("demo", "try every step in a temporary Codex home, without a network"),
        "benchmark": ("benchmark", "measure whether the priority tier is faster here; costs quota"),
    },
    "After a crash": {
        "recover": ("recover", "finish or undo an interrupted command"),
        "journal": ("journal", "list or show transactions, without their contents"),
    },
    "Agents and shells": {
        "link-skill": ("link_skill", "link SKILL.md where agents look for skills"),
        "unlink-skill": ("unlink_skill", "remove the link of link-skill"),
        "completion": ("completion", "print a completion script for bash, zsh or fish"),
    },
    "Run by Codex and by the proxy itself": {
        "autostart": ("autostart", "start the proxy where it does not run; the SessionStart hook calls this"),
        "serve": ("serve", "run the proxy in the foreground"),
    },
}

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    verb: entry for verbs in GROUPS.values() for verb, entry in verbs.items()
}
