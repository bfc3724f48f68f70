"""The worker's command line, its go byte, and the order in which its life begins and ends."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfp.core.settings import Settings, settings_from_json
from cfp.errors import Refused, UsageError
from cfp.host.provider.outbound import outbound_environ
from cfp.host.system.windows import user_environ
from cfp.layout import Layout
from cfp.proxy.config import WorkerConfig

_SETTINGS_FLAGS = {
    "--provider": "provider",
    "--host": "host",
    "--port": "port",
    "--proxy-base": "proxy_base",
    "--upstream-base": "upstream_base",
    "--service-tier": "service_tier",
    "--service-tier-policy": "service_tier_policy",
    "--upstream-api-key-env": "upstream_api_key_env",
}
# Written by scripts for the predecessor; they say nothing that the other flags do not.
_IGNORED_FLAGS = frozenset({"--service-tier-effective-policy", "--upstream-api-key-source"})
_NONCE = re.compile(r"[0-9a-f]{0,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeArgs:
    """The parsed command line of `serve`."""

    settings: Settings
    codex_home: Path
    log_dir: Path | None
    nonce: str
    take_over: str
    await_go: bool
    verbose: bool


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> ServeArgs:
    """Read the flags behind `serve`; raises UsageError or Refused(settings_invalid, …) for wrong ones.

    Not argparse: a hook waits for this process to listen, and it is only ever one shape of command line.
    """
    raw: dict[str, object] = {"provider": "openai", "service_tier_policy": "auto"}
    texts = {"--codex-home": environ.get("CODEX_HOME") or str(Path.home() / ".codex")}
    texts |= {"--nonce": "", "--take-over": "", "--log-dir": ""}
    switches = {"--use-provider-auth-file": False, "--await-go": False, "--verbose": False}
    pending = list(argv)
    while pending:
        flag, joined, value = pending.pop(0).partition("=")
        if flag in switches and not joined:
            switches[flag] = True
            continue
        if flag not in _SETTINGS_FLAGS and flag not in texts and flag not in _IGNORED_FLAGS:
            raise UsageError("unknown_flag", flag=flag)
        if not joined:
            if not pending:
                raise UsageError("flag_needs_value", flag=flag)
            value = pending.pop(0)
        if flag in _SETTINGS_FLAGS:
            raw[_SETTINGS_FLAGS[flag]] = int(value) if flag == "--port" and value.isdecimal() else value
        elif flag in texts:
            texts[flag] = value
    for flag in ("--nonce", "--take-over"):
        if not _NONCE.match(texts[flag]):
            raise UsageError("invalid_settings", field=flag[2:], reason="it must be hexadecimal")
    raw["upstream_api_key_file"] = switches["--use-provider-auth-file"]
    return ServeArgs(
        settings=_settings(raw),
        codex_home=Path(texts["--codex-home"]),
        log_dir=Path(texts["--log-dir"]) if texts["--log-dir"] else None,
        nonce=texts["--nonce"],
        take_over=texts["--take-over"],
        await_go=switches["--await-go"],
        verbose=switches["--verbose"],
    )


def _settings(raw: dict[str, object]) -> Settings:
    try:
        return settings_from_json(raw)
    except Refused as error:
        if error.code != "settings_invalid":
            raise
        # No file is meant here: what cannot be used stands on the command line.
        raise UsageError("usage", reason=str(error.details.get("reason", ""))) from error


def go_arrived(descriptor: int = 0) -> bool:
    """Wait for the parent's one byte; False where it died before the journal knew of us."""
    return os.read(descriptor, 1) != b""


def worker_config(args: ServeArgs, environ: Mapping[str, str]) -> WorkerConfig:
    """The way out is the one that .env names at this moment, as it is for a Codex that starts now."""
    layout = Layout(args.codex_home)
    try:
        dotenv = layout.dotenv.read_bytes()
    except OSError:
        dotenv = None
    known = {**user_environ(), **environ}  # a key may have been set since the session's shell began
    return WorkerConfig(
        settings=args.settings,
        layout=layout,
        environ=outbound_environ(known, dotenv),
        nonce=args.nonce,
        take_over=args.take_over,
        log_dir=args.log_dir,
        verbose=args.verbose,
    )


def main(argv: Sequence[str]) -> int:
    """Serve until told to stop and return the exit code; raises CfpError where it cannot start."""
    args = parse(argv, os.environ)
    if not args.codex_home.is_dir():
        raise Refused("codex_home_missing", path=str(args.codex_home))
    gc.disable()  # starting leaves no garbage, and looking for it is a twentieth of it; `live` takes it up again
    # Imported before the go byte: the parent is busy with its journal, and importing leaves no trace.
    from cfp.proxy.worker.process import live  # noqa: PLC0415  wrong flags are told without it

    if args.await_go and not go_arrived():
        return 0
    live(worker_config(args, os.environ))
    return 0
