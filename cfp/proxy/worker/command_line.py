"""The command line of `serve`, its go byte, and the order in which a worker starts."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfp.core.served_settings import LISTED, NUMBER, SERVED_SETTINGS, SWITCH, TEXT
from cfp.core.settings import Settings, settings_from_json
from cfp.errors import Refused, UsageError
from cfp.host.provider.outbound import outbound_environ
from cfp.host.system.files.file_use import read_bytes
from cfp.host.system.windows import user_environ
from cfp.layout import Layout, default_home
from cfp.proxy.config import Revival, WorkerConfig
from cfp.variables import variables_of

# Flag -> the name of its value, and its kind.
_FLAGS: dict[str, tuple[str, str]] = {
    **{setting.flag: (setting.name, setting.kind) for setting in SERVED_SETTINGS},
    "--codex-home": ("codex_home", TEXT),
    "--log-dir": ("log_dir", TEXT),
    "--nonce": ("nonce", TEXT),
    "--take-over": ("take_over", TEXT),
    "--await-go": ("await_go", SWITCH),
    # Written by the sentinel of a dead worker.
    "--inherited": ("inherited", TEXT),
    "--sentinel": ("sentinel", NUMBER),
    "--revivals": ("revivals", NUMBER),
    "--verbose": ("verbose", SWITCH),
    # Written by scripts for version 0.1.0; the worker derives both.
    "--service-tier-effective-policy": ("service_tier_effective_policy", TEXT),
    "--upstream-api-key-source": ("upstream_api_key_source", TEXT),
}
_NONCE = re.compile(r"[0-9a-f]{0,64}\Z")
_DESCRIPTORS = re.compile(r"\d{1,6}(,\d{1,6})+\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeArgs:
    """The parsed command line of `serve`."""

    settings: Settings
    codex_home: Path
    log_dir: Path | None
    nonce: str
    take_over: str
    revival: Revival | None
    await_go: bool
    verbose: bool


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> ServeArgs:
    """Parse the flags behind `serve`; raises UsageError, or Refused for settings that cannot be used.

    Not by argparse, which takes longer to import: a hook waits for this process to listen.
    """
    values: dict[str, Any] = {"provider": "openai", "service_tier_policy": "auto", **_flag_values(argv)}
    nonce, take_over, log_dir = (values.get(name, "") for name in ("nonce", "take_over", "log_dir"))
    for flag, text in (("nonce", nonce), ("take-over", take_over)):
        if not _NONCE.match(text):
            raise UsageError("invalid_settings", field=flag, reason="it must be hexadecimal")
    return ServeArgs(
        settings=_settings(values),
        codex_home=_home(values, environ),
        log_dir=Path(log_dir) if log_dir else None,
        nonce=nonce,
        take_over=take_over,
        revival=_revival(values),
        await_go="await_go" in values,
        verbose="verbose" in values,
    )


def _revival(values: Mapping[str, Any]) -> Revival | None:
    """Return what the sentinel has handed on; raises UsageError where a part of it is missing."""
    inherited, sentinel, count = (values.get(name) for name in ("inherited", "sentinel", "revivals"))
    if inherited is None and sentinel is None and count is None:
        return None
    if not (isinstance(inherited, str) and _DESCRIPTORS.match(inherited) and type(sentinel) is type(count) is int):
        raise UsageError("invalid_settings", field="inherited", reason="only a sentinel passes it")
    lock, *sockets = map(int, inherited.split(","))
    return Revival(sentinel=sentinel, count=count, lock=lock, sockets=tuple(sockets))


def _home(values: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    named = values.get("codex_home") or environ.get("CODEX_HOME")
    return Path(named) if named else default_home(environ)


def _flag_values(argv: Sequence[str]) -> dict[str, str | int | bool | list[str]]:
    """Return the value of each flag by its name; raises UsageError(unknown_flag, flag_needs_value)."""
    values: dict[str, str | int | bool] = {}
    listed: dict[str, list[str]] = {}
    pending = list(argv)
    while pending:
        flag, joined, value = pending.pop(0).partition("=")
        name, kind = _FLAGS.get(flag, ("", ""))
        if not name or (kind == SWITCH and joined):
            raise UsageError("unknown_flag", flag=flag)
        if kind == SWITCH:
            values[name] = True
            continue
        if not joined:
            if not pending:
                raise UsageError("flag_needs_value", flag=flag)
            value = pending.pop(0)
        if kind == LISTED:
            listed.setdefault(name, []).append(value)
            continue
        values[name] = int(value) if kind == NUMBER and value.isdecimal() else value
    return {**values, **listed}


def _settings(raw: dict[str, Any]) -> Settings:
    try:
        return settings_from_json(raw)
    except Refused as error:
        if error.code != "settings_invalid":
            raise
        # The sentence of that error speaks of a file, and these settings come from the command line.
        raise UsageError("usage", reason=str(error.details.get("reason", ""))) from error


def receive_go(descriptor: int = 0) -> bool:
    """Wait for the parent's go byte; False where the parent died before its journal recorded this process."""
    return os.read(descriptor, 1) != b""


def worker_config(args: ServeArgs, environ: Mapping[str, str]) -> WorkerConfig:
    """Return the worker's configuration; its outbound proxy is read from .env now, as by a Codex that starts now."""
    layout = Layout(args.codex_home)
    try:
        dotenv = read_bytes(layout.dotenv)
    except OSError:
        dotenv = None
    current = variables_of(user_environ(), environ)  # a key may have been set since the session's shell began
    return WorkerConfig(
        settings=args.settings,
        layout=layout,
        environ=outbound_environ(current, dotenv),
        nonce=args.nonce,
        take_over=args.take_over,
        revival=args.revival,
        log_dir=args.log_dir,
        verbose=args.verbose,
    )


def _check_owner(home: Path, owner: int) -> None:
    """Refuse to write logs into another user's home; raises Refused. The usual case imports nothing for this."""
    if sys.platform != "win32" and owner != os.geteuid():
        from cfp.core.ownership import check_ownership  # noqa: PLC0415  see above
        from cfp.host.system.ownership import read_ownership  # noqa: PLC0415  see above

        check_ownership(read_ownership(home))


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the worker, and return the exit code; raises CfpError where it cannot start."""
    args = parse(argv, os.environ)
    try:
        owner = args.codex_home.stat().st_uid if args.codex_home.is_dir() else None
    except OSError as error:  # a folder above it cannot be searched
        raise Refused("record_unreadable", path=str(args.codex_home), reason=error.strerror) from error
    if owner is None:
        raise Refused("codex_home_missing", path=str(args.codex_home))
    _check_owner(args.codex_home, owner)
    gc.disable()  # starting leaves no garbage, and a search for it takes 5 % of the time; `process` enables it again
    # Imported before the go byte: the parent is busy with its journal, and importing leaves no trace.
    from cfp.proxy.worker.process import serve  # noqa: PLC0415  wrong flags are reported without it

    if args.await_go and not receive_go():
        return 0
    serve(worker_config(args, os.environ))
    return 0
