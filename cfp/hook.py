"""The SessionStart hook's answer to Codex: nothing, a warning for the user, or the JSON that stops the session."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cfp.advice import at_home, home_flag
from cfp.fastpath import sends_to_a_stranger
from cfp.layout import Layout, locate
from cfp.messages.diagnoses import HOOK_STOPS
from cfp.messages.message import Message


def stop_answer(reason: Message, layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the answer that stops the session; Codex shows `stopReason` in its interface, `codex exec` does not.

    The commands in it mean this home in a shell without CODEX_HOME, too.
    """
    remedy = _at_home(reason.action, layout, environ)
    text = HOOK_STOPS["stop"].filled({"cause": reason.sentence, "remedy": remedy}).sentence
    # In ASCII: PowerShell reads and writes what passes it in the code page of the console.
    return json.dumps({"continue": False, "stopReason": text}) + "\n"


def warning_answer(warning: Message, layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the answer that lets the session go on; Codex shows `systemMessage` to the user, not to the model."""
    action = _at_home(warning.action, layout, environ)
    return json.dumps({"systemMessage": f"codex-fast-proxy: {warning.sentence} {action}".rstrip()}) + "\n"


def _at_home(action: str, layout: Layout, environ: Mapping[str, str]) -> str:
    """Return the action with commands that mean this home in a shell without CODEX_HOME."""
    shell = {name: value for name, value in environ.items() if name != "CODEX_HOME"}
    return at_home(action, home_flag(layout, shell))


def answer_of_last_resort(words: Sequence[str], reason: Message, environ: Mapping[str, str]) -> str:
    """Return the answer where the full command has failed: it stops a session that a stranger would receive."""
    if not sends_to_a_stranger(words[1:]):
        return ""
    home = words[words.index("--codex-home") + 1]
    return stop_answer(reason, locate(home, environ), environ)
