"""Runs one command line: argv -> command -> one JSON object on stdout -> exit code. Only this module prints.

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
from cfp.advice import completed, home_flag
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
from cfp.host.worker.code_id import python_path
from cfp.layout import known_default_home, locate
from cfp.messages import Message, message
from cfp.messages.diagnoses import HOOK_STOPS
from cfp.result import Exit, Raw, Result, Rows, changed_after, envelope, json_text, render

EXIT_BUG = 70
_HELP = frozenset({"-h", "--help"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    out: TextIO
    err: TextIO


def run(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command line of this process and return its exit code."""
    signals.listen()
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The contract says UTF-8, whatever the locale; a lone surrogate of a file name becomes its JSON escape.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        return main(arguments, environ, Streams(out=sys.stdout, err=sys.stderr))
    finally:
        _print("", sys.stdout)


def interrupted(argv: Sequence[str], interrupt: KeyboardInterrupt) -> int:
    """Print the result for ^C, or another ending signal, that came before any command ran."""
    result = _interrupted(interrupt)
    _print(render(next(iter(argv), "none"), result), sys.stdout)
    return result.exit_code


def _interrupted(interrupt: KeyboardInterrupt) -> Result:
    words = message("interrupted_by_user")
    return _error("interrupted_by_user", words.sentence, words.action, signals.exit_code(interrupt))


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host] = Host.find,
) -> int:
    """Run one command line. Whatever happens, one JSON object is printed, and the exit code agrees with it.

    find  returns the host for `--codex-home`, environment and interpreter
    """
    verb = _verb(argv)
    try:
        return _dispatch(list(argv), environ, streams, find)
    except CfpError as error:
        result = _failure(error)
    except KeyboardInterrupt as interrupt:
        result = _interrupted(interrupt)
    except Exception as error:  # noqa: BLE001  the one place: a bug must not print its traceback on stdout
        result = _bug(error, argv, environ)
    if argv[:1] == ["autostart"]:
        if "--quiet" in argv:
            # Codex passes a hook's output on to the model, and sends the message after a hook that fails.
            _print(answer_of_last_resort(argv, _unchecked(result), environ), streams.out)
        else:
            _answer(verb, result, argv, environ, streams.out)
        return 0
    _answer(verb or "none", result, argv, environ, streams.out)
    return result.exit_code


def _unchecked(result: Result) -> Message:
    return HOOK_STOPS["stop_unchecked"].filled({"error": result.fields["error"]})


def _verb(argv: Sequence[str]) -> str:
    return next((word for word in argv if not word.startswith("-")), "")


def _own(argv: Sequence[str]) -> list[str]:
    """Return our own words: the words behind `--` belong to another program."""
    return list(takewhile(lambda word: word != "--", argv))


def _codex_home(argv: Sequence[str]) -> str | None:
    """Return the value of `--codex-home` on a command line that may be wrong; None without one."""
    home = None
    for word, after in pairwise([*_own(argv), ""]):
        if word == "--codex-home":
            home = after
        elif word.startswith("--codex-home="):
            home = word.partition("=")[2]
    return home


def _answer(verb: str, result: Result, argv: Sequence[str], environ: Mapping[str, str], out: TextIO) -> None:
    """Print the result as JSON, or as a page for people where the command line, right or wrong, asks for text."""
    home = _codex_home(argv)
    if home and (flag := home_flag(locate(home, environ), environ)):
        result = replace(result, fields=completed(result.fields, flag))
    flags = " ".join(_own(argv)).replace("--format=", "--format ")
    if "--format text" not in flags:
        _print(render(verb, result), out)
        return
    from cfp.views import shown  # noqa: PLC0415  100 ms that JSON does not pay

    _print(shown(envelope(verb, result), terminal=out.isatty(), environ=environ), out)


def _print(text: str, out: TextIO) -> None:
    """Print the text. A closed pipe or a full disk behind stdout does not change the exit code."""
    try:
        print(text, end="", file=out, flush=True)
    except OSError:
        with suppress(OSError, ValueError):  # the buffered rest must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _stream(result: Rows, streams: Streams) -> int:
    """Print each row as it comes; ^C or a closed pipe is the intended end."""
    in_columns = streams.out.isatty() if result.columns is None else result.columns
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
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host],
) -> int:
    verb = _verb(argv)
    if not argv or argv[0] in {"help", *_HELP}:
        _print(page(argv[1]) if argv[1:2] and argv[1] in COMMANDS else overview(), streams.out)
        return 0
    if argv[0] == "--version":
        _print(f"codex-fast-proxy {cfp.__version__}\n", streams.out)
        return 0
    if argv[0] != verb or verb not in COMMANDS:
        raise UsageError("usage", reason=f"the first word must be a command{perhaps(argv[0], COMMANDS)}")
    if _HELP & set(_own(argv)):
        _print(page(verb), streams.out)
        return 0
    command = load(verb)
    if isinstance(command, Command):
        return _run(verb, command, argv, environ, streams, find)
    if isinstance(command, ForegroundCommand):
        return command.main(argv[1:])
    raise TypeError(verb)


def _run(
    verb: str,
    command: Command[Any],
    argv: Sequence[str],
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host],
) -> int:
    """Run a verb and print its outcome; return the exit code."""
    names = parsed(verb, argv[1:])
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
        _print(result.text, streams.out)
        return 0
    if isinstance(result, Rows):
        return _stream(result, streams)
    _answer(verb, result, argv, environ, streams.out)
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


def _failure(error: CfpError) -> Result:
    words = message(error.code, error.details)
    status = str(error.details.get("status_name", "error"))
    extra = {name: value for name, value in error.details.items() if name not in _RESERVED | _WORDS}
    if isinstance(error, CutShort):
        extra["changed"] = error.details["changed"]
    return _error(error.code, words.sentence, words.action, error.exit_code, status=status, extra=extra)


_RESERVED = frozenset({"status", "status_name", "error", "code", "next_user_action", "changed"})
_WORDS = frozenset({"provider_flag", "key_flag", "use_key"})  # of the commands that a message names


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


def _bug(error: Exception, argv: Sequence[str], environ: Mapping[str, str]) -> Result:
    log = _traceback_file(error, argv, environ)
    words = message("bug", {"kind": type(error).__name__, "log": log})
    return _error("bug", words.sentence, words.action, EXIT_BUG, extra={"log": log})


def _traceback_file(error: Exception, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Write the traceback to a private file: beside the logs, else in the temporary folder."""
    from journal.private import make_private  # noqa: PLC0415  no other answer pays for it

    text = "".join(traceback.format_exception(error))
    for folder in (_log_folder(argv, environ), None):
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix="fast_proxy.bug.", suffix=".log", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                make_private(Path(name))  # on Windows it has the rights of its folder
                file.write(text)
            return name
    return "(no file could be written)"


def _log_folder(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    try:
        folder = locate(_codex_home(argv), environ).worker
    except CfpError:
        return None
    usable = DISK.is_folder(folder) and not DISK.ownership(folder).is_of_another
    return str(folder) if usable else None
