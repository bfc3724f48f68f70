"""Runs one command line: argv -> command -> one JSON object, or a page -> exit code. Only this module prints.

Only the named verb's module is imported, so that each command pays only for the modules that it uses.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, TextIO

import cfp
from cfp import signals
from cfp.advice import called_as, completed, home_flag
from cfp.audience import TEXT, check_variable, format_for, shows_progress
from cfp.commands import COMMANDS
from cfp.commands.command import Command, ForegroundCommand, Outcome
from cfp.commands.overview import overview
from cfp.commands.parsing import load, page, parsed, perhaps
from cfp.core.ownership import check_ownership
from cfp.errors import CfpError, CutShort, Refused, UsageError
from cfp.hook import answer_of_last_resort
from cfp.host.disk import DISK
from cfp.host.home import Host
from cfp.host.reserve import with_room
from cfp.host.system.windows import console_obeys_escapes
from cfp.host.waiting import WaitingLine
from cfp.host.worker.code_id import python_path
from cfp.layout import known_default_home, locate
from cfp.messages import CLI, Message, message
from cfp.messages.diagnoses import HOOK_STOPS
from cfp.result import Exit, Raw, Result, Rows, changed_after, envelope, json_text, render

EXIT_BUG = 70
_HELP = frozenset({"-h", "--help"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    out: TextIO
    err: TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A command line that may be wrong, and where and as what it was typed."""

    argv: Sequence[str]
    environ: Mapping[str, str]
    streams: Streams
    program: str

    @property
    def is_on_terminal(self) -> bool:
        out: TextIO | None = self.streams.out  # None for a program without standard output
        return out is not None and out.isatty()

    @property
    def format(self) -> str:
        return format_for(self.value("--format"), self.environ, terminal=self.is_on_terminal)

    @property
    def own_words(self) -> list[str]:
        """Our own words: those behind `--` belong to another program."""
        return list(takewhile(lambda word: word != "--", self.argv))

    def value(self, flag: str) -> str | None:
        """Return the last value of a flag; None without one."""
        value = None
        for word, after in pairwise([*self.own_words, ""]):
            if word == flag:
                value = after
            elif word.startswith(f"{flag}="):
                value = word.partition("=")[2]
        return value


def run(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command line of this process and return its exit code."""
    signals.listen()
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The contract says UTF-8, whatever the locale; a lone surrogate of a file name becomes its JSON escape.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        streams = Streams(out=sys.stdout, err=sys.stderr)
        return main(arguments, environ, streams, program=called_as(sys.argv[0], sys.orig_argv, environ))
    finally:
        _print("", sys.stdout)


def interrupted(argv: Sequence[str], interrupt: KeyboardInterrupt) -> int:
    """Print the result for ^C, or another ending signal, that came before any command ran."""
    result = _interrupted(interrupt)
    streams = Streams(out=sys.stdout, err=sys.stderr)
    _answer(next(iter(argv), "none"), result, _Call(argv=argv, environ=os.environ, streams=streams, program=CLI))
    return result.exit_code


def _interrupted(interrupt: KeyboardInterrupt) -> Result:
    words = message("interrupted_by_user")
    return _error("interrupted_by_user", words.sentence, words.action, signals.exit_code(interrupt))


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host] = Host.find,
    *,
    program: str = CLI,
) -> int:
    """Run one command line. Whatever happens, one answer is printed, and the exit code agrees with it.

    find     returns the host for `--codex-home`, environment and interpreter
    program  the words by which the user's shell starts this program again
    """
    verb = _verb(argv)
    call = _Call(argv=argv, environ=environ, streams=streams, program=program)
    line = _waiting_line(call)

    def find_watched(home: str | None, environ: Mapping[str, str], python: str) -> Host:
        host = find(home, environ, python)
        return host if line is None else replace(host, waiting=line)

    try:
        return _dispatch(list(argv), call, find_watched)
    except CfpError as error:
        result = _failure(error, verb)
    except KeyboardInterrupt as interrupt:
        result = _interrupted(interrupt)
    except Exception as error:  # noqa: BLE001  the one place: a bug must not print its traceback on stdout
        result = _bug(error, call)
    with signals.uninterrupted():
        if line is not None:
            line.close()  # which an interrupt may have cut short
        if argv[:1] == ["autostart"]:
            if "--quiet" in argv:
                # Codex passes a hook's output on to the model, and sends the message after a hook that fails.
                _print(answer_of_last_resort(argv, _unchecked(result), environ), streams.out)
            else:
                _answer(verb, result, call)
            return 0
        _answer(verb or "none", result, call)
    return result.exit_code


def _waiting_line(call: _Call) -> WaitingLine | None:
    """Return the line that shows a person at a terminal what a command waits for; None where nobody watches."""
    err: TextIO | None = call.streams.err
    watched = err is not None and err.isatty() and "--quiet" not in call.own_words
    shown = shows_progress(call.value("--format"), call.environ, terminal=watched)
    return WaitingLine(call.streams.err, call.environ) if shown else None


def _unchecked(result: Result) -> Message:
    return HOOK_STOPS["stop_unchecked"].filled({"error": result.fields["error"]})


def _verb(argv: Sequence[str]) -> str:
    return next((word for word in argv if not word.startswith("-")), "")


def _answer(verb: str, result: Result, call: _Call) -> None:
    """Print the result as JSON, or as a page for people."""
    home = call.value("--codex-home")
    flag = home_flag(locate(home, call.environ), call.environ) if home else ""
    is_page = call.format == TEXT
    result = replace(result, fields=completed(result.fields, flag, call.program if is_page else CLI))
    out = call.streams.out
    if not is_page:
        _print(render(verb, result), out)
        return
    from cfp.views import shown  # noqa: PLC0415  100 ms that JSON does not pay

    terminal = call.is_on_terminal
    environ = call.environ if not terminal or console_obeys_escapes() else {**call.environ, "TERM": "dumb"}
    _print(shown(envelope(verb, result), terminal=terminal, environ=environ, program=call.program), out)


def _print(text: str, out: TextIO) -> None:
    """Print the text. A closed pipe or a full disk behind stdout does not change the exit code."""
    try:
        print(text, end="", file=out, flush=True)
    except OSError:
        with suppress(OSError, ValueError):  # the buffered rest must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _stream(result: Rows, call: _Call) -> int:
    """Print each row as it comes; ^C or a closed pipe is the intended end."""
    streams, in_columns = call.streams, call.format == TEXT
    if in_columns:
        from cfp.views.requests import columns, header  # noqa: PLC0415  JSON does not pay for it
    none = True
    try:
        for row in result.rows:
            if in_columns and none:
                _print(header() + "\n", streams.out)
            none = False
            print(columns(row) if in_columns else json_text(row), file=streams.out, flush=True)
    except KeyboardInterrupt as interrupt:
        return signals.exit_code(interrupt)
    except OSError:
        _print("", streams.out)
        return 0
    if none:
        _print(result.none + "\n", streams.err)
    if in_columns and result.closing is not None:
        from cfp.views.page import plain  # noqa: PLC0415  see above

        _print(f"\n{plain(result.closing())}\n", streams.err)
    return 0


def _dispatch(
    argv: list[str],
    call: _Call,
    find: Callable[[str | None, Mapping[str, str], str], Host],
) -> int:
    verb = _verb(argv)
    if not argv or argv[0] in {"help", *_HELP}:
        _print(page(argv[1]) if argv[1:2] and argv[1] in COMMANDS else overview(), call.streams.out)
        return 0
    if argv[0] == "--version":
        _print(f"codex-fast-proxy {cfp.__version__}\n", call.streams.out)
        return 0
    if argv[0] != verb or verb not in COMMANDS:
        raise UsageError("usage", reason=f"the first word must be a command{perhaps(argv[0], COMMANDS)}")
    if _HELP & set(call.own_words):
        _print(page(verb), call.streams.out)
        return 0
    command = load(verb)
    if isinstance(command, Command):
        return _run(verb, command, call, find)
    if isinstance(command, ForegroundCommand):
        return command.main(argv[1:])
    raise TypeError(verb)


def _run(
    verb: str,
    command: Command[Any],
    call: _Call,
    find: Callable[[str | None, Mapping[str, str], str], Host],
) -> int:
    """Run a verb and print its outcome; return the exit code."""
    environ = call.environ
    names = parsed(verb, call.argv[1:])
    if verb != "autostart":  # whatever the environment of a session: its proxy must run
        check_variable(names.get("format"), environ)
    home = names.pop("codex_home")
    if not command.needs_home and not home and not environ.get("CODEX_HOME") and known_default_home(environ) is None:
        home = os.devnull  # a home that nothing can be in, and that the command does not look for
    host = find(home, environ, python_path())
    with _truth_about_interrupts(host):
        args = command.parse(names)
        if command.needs_sockets and host.is_walled:
            raise Refused("inside_sandbox")
        if command.writes(args):
            check_ownership(host.ownership)
        if command.uses_reserve:
            result: Outcome = with_room(host.reserve, lambda: command.run(args, host))
        else:
            result = command.run(args, host)
    if result is None:
        return 0
    if isinstance(result, Exit):
        return result.code
    if isinstance(result, Raw):
        _print(result.text, call.streams.out)
        return 0
    if isinstance(result, Rows):
        return _stream(result, call)
    _answer(verb, result, call)
    return result.exit_code


@contextmanager
def _truth_about_interrupts(host: Host) -> Iterator[None]:
    """Turn a ^C that comes after a commit into a CutShort error, since the files are changed by then."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not host.journal.has_committed:
            raise
        code = signals.exit_code(interrupt)
        raise CutShort("interrupted_when_done", exit_code=code, changed="all files") from interrupt


def _failure(error: CfpError, verb: str) -> Result:
    words = message(error.code, {"verb": f" {verb}" if verb in COMMANDS else "", **error.details})
    status = str(error.details.get("status_name", "error"))
    extra = {name: value for name, value in error.details.items() if name not in _RESERVED | _WORDS}
    if isinstance(error, CutShort):
        extra["changed"] = error.details["changed"]
    return _error(error.code, words.sentence, words.action, error.exit_code, status=status, extra=extra)


_RESERVED = frozenset({"status", "status_name", "error", "code", "next_user_action", "changed"})
# What only completes sentences and commands of a message.
_WORDS = frozenset({"provider_flag", "key_flag", "change", "or_codex", "way_out", "key", "endpoint"})


def _error(
    code: str,
    sentence: str,
    action: str,
    exit_code: int,
    *,
    status: str = "error",
    extra: Mapping[str, Any] | None = None,
) -> Result:
    changed = changed_after(exit_code)
    fields_ = {"error": sentence, "code": code, "next_user_action": action, "changed": changed, **(extra or {})}
    return Result(status=status, fields=fields_, exit_code=exit_code)


def _bug(error: Exception, call: _Call) -> Result:
    log = _traceback_file(error, call)
    words = message("bug", {"kind": type(error).__name__, "log": log})
    return _error("bug", words.sentence, words.action, EXIT_BUG, extra={"log": log})


def _traceback_file(error: Exception, call: _Call) -> str:
    """Write the traceback to a private file: beside the logs, else in the temporary folder."""
    from journal.private import make_private  # noqa: PLC0415  no other answer pays for it

    text = "".join(traceback.format_exception(error))
    for folder in (_log_folder(call), None):
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix="fast_proxy.bug.", suffix=".log", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                make_private(Path(name))  # on Windows it has the rights of its folder
                file.write(text)
            return name
    return "(no file could be written)"


def _log_folder(call: _Call) -> str | None:
    try:
        folder = locate(call.value("--codex-home"), call.environ).worker
    except CfpError:
        return None
    usable = DISK.is_folder(folder) and not DISK.ownership(folder).is_of_another
    return str(folder) if usable else None
