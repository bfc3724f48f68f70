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
        "uninstall": ("uninstall", "give everything back; in two runs with --defer-stop"),
        "start": ("start", "start the proxy, or refresh a stale one"),
        "stop": ("stop", "stop the proxy"),
    },
    "See how it is": {
        "status": ("status", "what is installed, what runs, and the one thing to do next"),
        "doctor": ("doctor", "every check, each with its evidence and what mends it"),
        "dashboard": ("dashboard", "open the proxy's own page in the browser"),
        "logs": ("logs", "the last requests; with --follow each as it comes"),
        "check-update": ("check_update", "compare this checkout with its remote; read-only"),
    },
    "Change where requests go": {
        "set-upstream": ("set_upstream", "change the provider's URL, key or policy while the proxy is enabled"),
        "verify-upstream": ("verify_upstream", "try a URL, key or policy and change nothing"),
        "prepare-chatgpt-login": (
            "prepare_login",
            "let the proxy keep the provider's key, so that ChatGPT can sign in",
        ),
    },
    "Try and measure": {
        "run": ("run", "one Codex session through a proxy of its own; changes nothing on disk"),
        "demo": ("demo", "the whole story on a throw-away home, without a network"),
        "benchmark": ("benchmark", "measure whether the priority tier is faster here; costs quota"),
    },
    "After a crash": {
        "recover": ("recover", "settle an interrupted command"),
        "journal": ("journal", "list or show transactions, redacted"),
    },
    "Agents and shells": {
        "link-skill": ("link_skill", "let agents find SKILL.md"),
        "unlink-skill": ("unlink_skill", "undo link-skill"),
        "completion": ("completion", "print a completion script for bash, zsh or fish"),
    },
    "Run by Codex and by the proxy itself": {
        "autostart": ("autostart", "what the SessionStart hook runs: start a missing proxy"),
        "serve": ("serve", "the proxy itself, in the foreground"),
    },
}

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    verb: entry for verbs in GROUPS.values() for verb, entry in verbs.items()
}
