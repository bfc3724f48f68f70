"""The SessionStart hook's answer to Codex: nothing lets the session go on, one JSON object stops it."""

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
    shell = {name: value for name, value in environ.items() if name != "CODEX_HOME"}
    remedy = at_home(reason.action, home_flag(layout, shell))
    text = HOOK_STOPS["stop"].filled({"cause": reason.sentence, "remedy": remedy}).sentence
    # In ASCII: PowerShell reads and writes what passes it in the code page of the console.
    return json.dumps({"continue": False, "stopReason": text}) + "\n"


def answer_of_last_resort(words: Sequence[str], reason: Message, environ: Mapping[str, str]) -> str:
    """Return the answer where the full command has failed: it stops a session that a stranger would receive."""
    if not sends_to_a_stranger(words[1:]):
        return ""
    home = words[words.index("--codex-home") + 1]
    return stop_answer(reason, locate(home, environ), environ)
