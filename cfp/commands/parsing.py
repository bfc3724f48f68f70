"""The command line of a verb as argparse sees it, and the page that --help shows of it."""

from __future__ import annotations

import argparse
import importlib
import shutil
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache, partial
from typing import Any, Final, NoReturn

from cfp.audience import AUTO, FORMATS
from cfp.commands import COMMANDS
from cfp.commands.command import CommandHelp
from cfp.errors import UsageError
from cfp.host.provider.secret import redact

PROGRAM: Final = "codex-fast-proxy"
_WIDEST: Final = 100  # longer lines are hard to read on any terminal
_FLAGS_COLUMN: Final = 32
_UNKNOWN: Final = "unrecognized arguments:"  # as argparse begins that error in every version that runs here


def perhaps(word: str, known: Iterable[str]) -> str:
    """Return the clause that names the known word closest to a mistyped one; "" where none is close."""
    near = get_close_matches(word, known, n=1)
    return f"; perhaps `{near[0]}` is meant" if near else ""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: they become JSON, like every other."""

    def error(self, text: str) -> NoReturn:
        reason = redact(text)  # a key that stands where no key belongs
        raise UsageError("usage", reason=reason + self._suggestion(text))

    def _suggestion(self, text: str) -> str:
        """Return the clause that names our flag closest to the first unknown one; "" where none is close."""
        unknown = (word.partition("=")[0] for word in text.split() if word.startswith("-"))
        suggestions = (perhaps(word, self._option_string_actions) for word in unknown)
        return next(filter(None, suggestions), "") if text.startswith(_UNKNOWN) else ""


def load(verb: str) -> CommandHelp:
    """Import the verb's module and return its command; no other verb's module is imported."""
    command = importlib.import_module(f"cfp.commands.{COMMANDS[verb][0]}").COMMAND
    if not isinstance(command, CommandHelp):
        raise TypeError(f"cfp.commands.{COMMANDS[verb][0]}.COMMAND is no command")
    return command


def parser_of(verb: str) -> Parser:
    """Return the verb's parser: its own flags, then those of every command."""
    command = load(verb)
    parser = Parser(
        prog=f"{PROGRAM} {verb}",
        description=command.description,
        usage=argparse.SUPPRESS,
        epilog=_examples(verb, command),
        allow_abbrev=False,
        add_help=False,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=width(), max_help_position=_FLAGS_COLUMN),
    )
    parser._positionals.title = "words"  # noqa: SLF001  argparse names its groups for itself
    parser._optionals.title = "flags"  # noqa: SLF001
    command.add_arguments(parser)
    common = parser.add_argument_group("flags of every command")
    common.add_argument("--codex-home", metavar="DIR", help="the Codex home (default: CODEX_HOME, else ~/.codex)")
    if command.has_format:
        more = "".join(f", {name} {purpose}" for name, purpose in command.more_formats.items())
        common.add_argument(
            "--format",
            choices=(*FORMATS, *command.more_formats),
            default=AUTO,
            help=f"auto: text for a person at a terminal, else json (default){more}",
        )
    common.add_argument("-h", "--help", action="store_true", help="show this page")
    return parser


_reader_of = cache(parser_of)  # that shows nothing, so no terminal's width counts


def parsed(verb: str, words: Sequence[str]) -> dict[str, Any]:
    """Read the words behind a verb; raises UsageError.

    A verb with a tail takes the words behind `--` unparsed, under the name `tail`.
    """
    if not load(verb).tail:
        return vars(_reader_of(verb).parse_args(words))
    end = words.index("--") if "--" in words else len(words)
    return {**vars(_reader_of(verb).parse_args(words[:end])), "tail": tuple(words[end + 1 :])}


def page(verb: str) -> str:
    """Return what `VERB --help` shows."""
    parser = parser_of(verb)
    words = "".join(
        f" [{_name(action)}]" if action.nargs == "?" else f" {_name(action)}"
        for action in parser._actions  # noqa: SLF001  argparse has no public way to list them
        if not action.option_strings
    )
    tail = load(verb).tail
    behind = f" -- {tail}" if tail else ""
    return f"usage: {parser.prog}{words} [flags]{behind}\n{parser.format_help()}"


def _name(action: argparse.Action) -> str:
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _examples(verb: str, command: CommandHelp) -> str:
    lines = [f"  {PROGRAM} {verb} {words}".rstrip() + f"\n      {what}" for words, what in command.examples]
    return "examples:\n" + "\n".join(lines)


def width() -> int:
    """Columns for text: the terminal's, within reason."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, _WIDEST))
