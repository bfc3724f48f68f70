"""The page that `codex-fast-proxy --help` shows: what to do first, the verbs by task, exit codes, files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from cfp.commands import GROUPS
from cfp.commands.parsing import PROGRAM, width

EXIT_CODES: Final[dict[int, str]] = {
    0: "success, or nothing to do",
    2: "refused, or failed and undone; wrong usage; a check of doctor failed",
    3: "another program changed one of our own keys; its value was left as it is",
    4: "needs your confirmation first; nothing was changed",
    5: "another command is running; try again",
    6: "an earlier command was interrupted: run recover",
    70: "a bug in this program; the answer names the file with the traceback",
    130: "interrupted by ^C (SIGHUP: 129, SIGTERM: 143); no change is left incomplete",
}

_FIRST: Final = (
    ("demo", "try every step in a temporary Codex home, without a network"),
    ("doctor", "check whether it would work here"),
    ("install --dry-run", "show what would change; writes nothing"),
    ("install --start", "enable the proxy; `uninstall` restores every byte"),
)
_FILES: Final = (
    ("config.toml, hooks.json", "your files; only the provider's base_url, one hook and its trust change"),
    ("codex-fast-proxy-state/", "settings, logs and the saved key; removed by uninstall"),
    ("codex-fast-proxy-journal/", "the records that recover from a crash; removed by uninstall"),
    ("backups/codex-fast-proxy/", "copies of config.toml; the newest five are kept"),
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
            "On a terminal each command answers with a page for people; in a pipe, and where an agent runs it, with "
            "one JSON object. --format json or text decides, else CFP_FORMAT in the environment. No command prints a "
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
