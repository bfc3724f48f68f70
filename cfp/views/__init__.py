"""The result as a page for people, shorter than the JSON and in words.

answer   the object that `--format json` prints
view     a function from an answer to a page: a list of rich renderables
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from typing import Any, Final

from rich.console import Console, RenderableType

from cfp.messages import CLI
from cfp.views.benchmark import benchmark
from cfp.views.doctor import doctor
from cfp.views.fast import fast
from cfp.views.journal import journal
from cfp.views.page import next_step, refusal, result_page
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
_SCREEN: Final = (80, 24)  # columns and lines of the smallest terminal that a page is made for


def shown(answer: Mapping[str, Any], *, terminal: bool, environ: Mapping[str, str], program: str = CLI) -> str:
    """Return the text of an answer: first what holds now, at the end the next command.

    On a terminal it has colours, unless NO_COLOR is set (no-color.org), and fits one screen with the prompt below it.

    program  the words by which the user starts this program
    """
    size = shutil.get_terminal_size(_SCREEN)
    width = min(size.columns, _WIDEST) if terminal else _WIDEST
    failed = answer.get("status") == "error" and "samples" not in answer
    view = refusal if failed else VIEWS.get(str(answer.get("command")), result_page)
    body, ending = (
        _lines(parts, width, terminal=terminal, environ=environ)
        for parts in (view(answer), next_step(answer, program))
    )
    if terminal:
        body = _fitted(body, max(size.lines, _SCREEN[1]) - 1 - len(ending))
    return "\n".join((*body, *ending)) + "\n"


def _fitted(lines: list[str], room: int) -> list[str]:
    """Return the lines that fit; the last of them counts those that do not."""
    if len(lines) <= room:
        return lines
    rest = len(lines) - (room - 1)
    return [*lines[: room - 1], f"  … {rest} more line{'' if rest == 1 else 's'}; `--format json` has everything"]


def _lines(parts: Iterable[RenderableType], width: int, *, terminal: bool, environ: Mapping[str, str]) -> list[str]:
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        height=_SCREEN[1],  # without it, rich takes a dumb terminal for one of 80 columns
        force_terminal=terminal,
        no_color=not terminal or bool(environ.get("NO_COLOR")),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ=environ,
    )
    for part in parts:
        console.print(part, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]
