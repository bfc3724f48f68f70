"""The parts of a page for people: a headline, rows of name and value, warnings, the next action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from textwrap import wrap
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cfp.advice import next_command
from cfp.messages.results import RESULTS, ResultCode

GOOD: Final = "green"
BAD: Final = "red"
WARN: Final = "yellow"
_UNBROKEN: Final = "\ue000"  # stands for a space at which a line must not break
_MARKS: Final = {GOOD: "✓", BAD: "✗", WARN: "!"}


def plain(value: Any) -> str:
    """Return text for a terminal, with each control character replaced."""
    return "".join(character if character.isprintable() else "�" for character in str(value))


def headline(style: str, words: str, rest: str = "") -> Text:
    """Return a line of a mark, bold words and the rest."""
    line = Text.assemble((f"{_MARKS[style]} ", f"bold {style}"), (plain(words), "bold"))
    return line.append(f"  {plain(rest)}") if rest else line


def rows(pairs: Iterable[tuple[str, Any]]) -> RenderableType:
    """Return names and values in two columns; a value of None or "" has no row."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if isinstance(value, Text) or value:
            table.add_row(name, value if isinstance(value, Text) else Text(plain(value)))
    return Padding(table, (0, 0, 0, 2))


def warnings(texts: Iterable[str]) -> list[RenderableType]:
    return [Text.assemble(("! ", f"bold {WARN}"), plain(text)) for text in texts if text]


def next_step(answer: Mapping[str, Any], program: str) -> list[RenderableType]:
    """Return the next action, set apart, and below it the command that it names, alone on a line to be pasted.

    An action that is only "Run that command." is the command alone; one without a command, the sentence alone.
    """
    action = plain(answer.get("next_user_action") or answer.get("next_action") or "")
    if not action:
        return []
    command = next_command(action, program)
    if command is None:
        return [Text(), Advice(action, lead="next  ")]
    line = Advice(f"`{command}`", style="bold", indent=2, marks=False)
    if action.removeprefix("Run ") == f"`{command}`.":
        return [Text(), Text("next", "bold"), line]
    return [Text(), Advice(action, lead="next  "), Text(), line]


@dataclass(frozen=True, slots=True)
class Advice:
    """A paragraph that never breaks a command over two lines, so that it can be copied.

    lead   bold words before it
    marks  whether the commands keep their backticks
    """

    text: str
    lead: str = ""
    style: str = ""
    indent: int = 0
    marks: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Break between commands and other words."""
        parts = self.text.split("`")
        parts[1::2] = [part.replace(" ", _UNBROKEN) for part in parts[1::2]]
        room = options.max_width - self.indent
        lines = wrap(
            self.lead + ("`" if self.marks else "").join(parts), room, break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(lines):
            text = Text(" " * self.indent + line.replace(_UNBROKEN, " "), self.style, no_wrap=True, overflow="ignore")
            if number == 0 and self.lead:
                text.stylize("bold", self.indent, self.indent + len(self.lead))
            yield text


def local_time(stamp: object, pattern: str = "%Y-%m-%d %H:%M:%S") -> str | None:
    """Return a log line's time in the time zone of the computer; None for none, and for one that cannot be read."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime(pattern)
    except ValueError:
        return None


def duration(milliseconds: object) -> str:
    """Return a duration in milliseconds or seconds; "-" for none."""
    if not isinstance(milliseconds, int | float):
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def refusal(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page of an error: its sentence, the changed files, the next action."""
    changed = answer.get("changed")
    files = "none" if changed in {False, None} else plain(changed)
    return [
        headline(BAD, str(answer.get("error", ""))),
        rows([("code", answer.get("code")), ("changes", files), *_known(answer)]),
    ]


def result_page(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Return the page of a command without a view of its own: its status, its sentence, the next action."""
    status = str(answer.get("status", ""))
    sentence = RESULTS[_SENTENCES[status]].sentence if status in _SENTENCES else ""
    return [
        headline(
            BAD if status == "failed" else GOOD, status.replace("_", " "), str(answer.get("message") or sentence)
        ),
        rows(_known(answer)),
        *warnings(_sentences(answer)),
    ]


def _sentences(answer: Mapping[str, Any]) -> list[str]:
    """Return the warnings of an answer; where it has sentences for its codes, those in their place."""
    texts, messages = (list(map(str, answer.get(name) or ())) for name in ("warnings", "warning_messages"))
    return [*(text for text in texts if " " in text or not messages), *messages]


# Of answers that have no message of their own.
_SENTENCES: Final[dict[str, ResultCode]] = {
    "planned": "install_planned",
    "passed": "demo_passed",
    "failed": "demo_failed",
}
_WORTH_A_ROW: Final = {
    "provider": "provider",
    "upstream_base": "upstream",
    "base_url": "proxy",
    "pid": "process",
    "source": "key",
    "backup_path": "backup",
    "path": "path",
    "target": "target",
    "url": "url",
    "relation": "relation",
    "log": "log",
    "codex_home": "home",
    "files": "files",
    "keys": "keys",
}


def _known(answer: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the rows of fields that any command may have; a list has one line for each item."""
    pairs = [(title, answer[name]) for name, title in _WORTH_A_ROW.items() if answer.get(name) is not None]
    return [
        (title, Text("\n".join(map(plain, value))) if isinstance(value, list) else value)
        for title, value in pairs
        if isinstance(value, str | int) or (value and isinstance(value, list))
    ]
