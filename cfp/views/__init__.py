"""The result as a page for people (`--format text`), shorter than the JSON and in words.

answer   the object that `--format json` prints
view     a function from an answer to a page: a list of rich renderables
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, Final

from rich.console import Console, RenderableType

from cfp.views.benchmark import benchmark
from cfp.views.doctor import doctor
from cfp.views.fast import fast
from cfp.views.journal import journal
from cfp.views.page import refusal, result_page
from cfp.views.recover import recover
from cfp.views.status import status
from cfp.views.uninstall import uninstall
from cfp.views.upstream import upstream
from cfp.views.usage import usage

View = Callable[[Mapping[str, Any]], list[RenderableType]]

VIEWS: Final[dict[str, View]] = {
    "status": status,
    "doctor": doctor,
    "benchmark": benchmark,
    "uninstall": uninstall,
    "fast": fast,
    "journal": journal,
    "recover": recover,
    "upstream": upstream,
    "usage": usage,
}
_WIDEST: Final = 110


def shown(answer: Mapping[str, Any], *, terminal: bool, environ: Mapping[str, str]) -> str:
    """Return the text of an answer: with colours on a terminal, unless NO_COLOR is set (no-color.org)."""
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST) if terminal else _WIDEST
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=terminal,
        no_color=not terminal or bool(environ.get("NO_COLOR")),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ=environ,
    )
    failed = answer.get("status") == "error" and "samples" not in answer
    view = refusal if failed else VIEWS.get(str(answer.get("command")), result_page)
    for part in view(answer):
        console.print(part, crop=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
