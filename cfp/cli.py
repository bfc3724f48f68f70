"""argv -> command -> one JSON object on stdout -> exit code; the only module that prints.

Only the named verb's module is imported, so that each command pays for what it uses.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from itertools import pairwise, takewhile
from typing import Any, TextIO

import cfp
from cfp import signals
from cfp.advice import completed, home_flag
from cfp.commands import COMMANDS
from cfp.commands.overview import overview
from cfp.commands.parsing import module_of, page, parsed
from cfp.errors import CfpError, CutShort, UsageError
from cfp.host.home import Host
from cfp.host.worker.code_id import python_path
from cfp.layout import locate
from cfp.messages import message
from cfp.result import Exit, Raw, Result, Rows, changed_after, envelope, render

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
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The contract says UTF-8, whatever the locale; a lone surrogate of a file name becomes its JSON escape.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        return main(arguments, environ, Streams(out=sys.stdout, err=sys.stderr))
    finally:
        _say("", sys.stdout)


def interrupted(argv: Sequence[str], interrupt: KeyboardInterrupt) -> int:
    """Answer ^C, or another signal that ends a command, that came before any command ran."""
    result = _interrupted(interrupt)
    _say(render(next(iter(argv), "none"), result), sys.stdout)
    return result.exit_code


def _interrupted(interrupt: KeyboardInterrupt) -> Result:
    told = message("interrupted_by_user")
    return _error("interrupted_by_user", told.sentence, told.action, signals.exit_code(interrupt))


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host] = Host.find,
) -> int:
    """Run one command line: whatever happens, the one JSON object is printed and the exit code says the same.

    find  which machine the command runs on, by `--codex-home`, environment and interpreter
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
        # Codex gives what a hook prints to the model and calls a hook that fails broken: neither helps anyone.
        if "--quiet" not in argv:
            _answer(verb, result, argv, environ, streams.out)
        return 0
    _answer(verb or "none", result, argv, environ, streams.out)
    return result.exit_code


def _verb(argv: Sequence[str]) -> str:
    return next((word for word in argv if not word.startswith("-")), "")


def _own(argv: Sequence[str]) -> list[str]:
    """The words that are ours: those behind `--` are another program's."""
    return list(takewhile(lambda word: word != "--", argv))


def _codex_home(argv: Sequence[str]) -> str | None:
    """What `--codex-home` names, on a command line that may be wrong; None where it names nothing."""
    named = None
    for word, after in pairwise([*_own(argv), ""]):
        if word == "--codex-home":
            named = after
        elif word.startswith("--codex-home="):
            named = word.partition("=")[2]
    return named


def _answer(verb: str, result: Result, argv: Sequence[str], environ: Mapping[str, str], out: TextIO) -> None:
    """Print the result: JSON, or a page for people where the command line says so, wrong as the rest of it may be."""
    named = _codex_home(argv)
    if named and (flag := home_flag(locate(named, environ), environ)):
        result = replace(result, fields=completed(result.fields, flag))
    words = " ".join(_own(argv)).replace("--format=", "--format ")
    if "--format text" not in words:
        _say(render(verb, result), out)
        return
    from cfp.views import shown  # noqa: PLC0415  100 ms that JSON does not pay

    _say(shown(envelope(verb, result), terminal=out.isatty(), environ=environ), out)


def _say(text: str, out: TextIO) -> None:
    """Print. A reader that has gone, or a full disk behind stdout, takes nothing from what the exit code says."""
    try:
        print(text, end="", file=out, flush=True)
    except OSError:
        with suppress(OSError, ValueError):  # what is still buffered must not fail again at the exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _stream(result: Rows, streams: Streams) -> int:
    """Print each row as it comes; ^C, or a reader that has gone, is the end that was meant."""
    in_columns = streams.out.isatty() if result.columns is None else result.columns
    if in_columns:
        from cfp.views.requests import columns, header  # noqa: PLC0415  JSON does not pay for it
    none = True
    try:
        for row in result.rows:
            if in_columns and none:
                _say(header() + "\n", streams.out)
            none = False
            print(columns(row) if in_columns else json.dumps(row, ensure_ascii=False), file=streams.out, flush=True)
    except KeyboardInterrupt as interrupt:
        return signals.exit_code(interrupt)
    except OSError:
        _say("", streams.out)
        return 0
    if none:
        _say(message(result.none).sentence + "\n", streams.err)
    return 0


def _dispatch(
    argv: list[str],
    environ: Mapping[str, str],
    streams: Streams,
    find: Callable[[str | None, Mapping[str, str], str], Host],
) -> int:
    verb = _verb(argv)
    if not argv or argv[0] in {"help", *_HELP}:
        _say(page(argv[1]) if argv[1:2] and argv[1] in COMMANDS else overview(), streams.out)
        return 0
    if argv[0] == "--version":
        _say(f"codex-fast-proxy {cfp.__version__}\n", streams.out)
        return 0
    if argv[0] != verb or verb not in COMMANDS:
        near = get_close_matches(argv[0], COMMANDS, n=1)
        meant = f"; perhaps `{near[0]}` is meant" if near else ""
        raise UsageError("usage", reason=f"the first word must be a command{meant}")
    if _HELP & set(_own(argv)):
        _say(page(verb), streams.out)
        return 0
    module = module_of(verb)
    names = parsed(verb, argv[1:])
    host = find(names.pop("codex_home"), environ, python_path())
    args = module.Args(**{item.name: names[item.name] for item in fields(module.Args)})
    with _truth_about_interrupts(host):
        result: Result | Raw | Rows | Exit | None = module.run(args, host)
    if result is None:
        return 0
    if isinstance(result, Exit):
        return result.code
    if isinstance(result, Raw):
        _say(result.text, streams.out)
        return 0
    if isinstance(result, Rows):
        return _stream(result, streams)
    _answer(verb, result, argv, environ, streams.out)
    return result.exit_code


@contextmanager
def _truth_about_interrupts(host: Host) -> Iterator[None]:
    """Whoever is too late with ^C is told so: once a transaction is committed, not all is as it was."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not host.journal.has_committed:
            raise
        code = signals.exit_code(interrupt)
        raise CutShort("interrupted_when_done", exit_code=code, changed="all files") from interrupt


def _failure(error: CfpError) -> Result:
    told = message(error.code, error.details)
    status = str(error.details.get("status_name", "error"))
    extra = {name: value for name, value in error.details.items() if name not in _RESERVED}
    if isinstance(error, CutShort):
        extra["changed"] = error.details["changed"]
    return _error(error.code, told.sentence, told.action, error.exit_code, status=status, extra=extra)


_RESERVED = frozenset({"status", "status_name", "error", "code", "next_user_action", "changed"})


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
    told = message("bug", {"kind": type(error).__name__, "log": log})
    return _error("bug", told.sentence, told.action, EXIT_BUG, extra={"log": log})


def _traceback_file(error: Exception, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Write the traceback where only its owner can read it: beside the logs, else in the temporary folder."""
    text = "".join(traceback.format_exception(error))
    for folder in (_log_folder(argv, environ), None):
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix="fast_proxy.bug.", suffix=".log", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return name
    return "(no file could be written)"


def _log_folder(argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    folder = locate(_codex_home(argv), environ).worker
    return str(folder) if folder.is_dir() else None
