"""The page that `codex-fast-proxy --help` shows: what to do first, the verbs by task, exit codes, files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from cfp.commands import GROUPS
from cfp.commands.parsing import PROGRAM, width

EXIT_CODES: Final[dict[int, str]] = {
    0: "done, or nothing to do",
    2: "refused, or failed and undone; wrong usage; doctor found something",
    3: "one of our own keys was changed by others and was left alone",
    4: "a yes is needed first; nothing was changed",
    5: "another command is at work; try again",
    6: "an interrupted command is in the way: run recover",
    70: "a bug; the file that is named has the traceback",
    130: "interrupted by ^C (SIGHUP: 129, SIGTERM: 143); nothing is half done",
}

_FIRST: Final = (
    ("demo", "see it all happen, without a network, on a home that is thrown away"),
    ("doctor", "would it work here?"),
    ("install --dry-run", "what exactly would be changed?"),
    ("install --start", "switch it on; `uninstall` gives every byte back"),
)
_FILES: Final = (
    ("config.toml, hooks.json", "the provider's base_url, one hook and its trust: all that is changed of yours"),
    ("codex-fast-proxy-state/", "settings, logs, the kept key; gone after an uninstall"),
    ("codex-fast-proxy-journal/", "what makes a crash harmless; gone after an uninstall"),
    ("backups/codex-fast-proxy/", "copies of config.toml; the newest five stay"),
)


def overview() -> str:
    """Return the page."""
    verbs = "\n\n".join(
        f"{task}\n{_columns((verb, summary) for verb, (_, summary) in of.items())}" for task, of in GROUPS.items()
    )
    parts = (
        f"{PROGRAM}: Fast and auth split for Codex with third-party providers",
        f"usage: {PROGRAM} COMMAND [flags]\n       {PROGRAM} COMMAND --help",
        f"Begin here\n{_columns(_FIRST)}",
        verbs,
        f"In the Codex home (--codex-home DIR, else CODEX_HOME, else ~/.codex)\n{_columns(_FILES)}",
        f"Exit codes\n{_columns((str(code), words) for code, words in EXIT_CODES.items())}",
        textwrap.fill(
            "Each command answers with one JSON object on stdout; --format text is for people. No command prints a "
            f"key. `cfp` and `python -m codex_fast_proxy` are the same program as `{PROGRAM}`.",
            width(),
        ),
    )
    return "\n\n".join(parts) + "\n"


def _columns(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns; words that do not fit go on below themselves."""
    pairs = list(rows)
    first = max(len(name) for name, _ in pairs)
    return "\n".join(
        textwrap.fill(
            words,
            max(width(), first + 24),
            initial_indent=f"  {name:<{first}}  ",
            subsequent_indent=" " * (first + 4),
            break_on_hyphens=False,
        )
        for name, words in pairs
    )
