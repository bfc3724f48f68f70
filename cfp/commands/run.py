"""Run one Codex session through a temporary proxy, which ends with it; no file of yours changes.

The route is given to Codex by `-c`, which beats config.toml and profiles. Codex (0.169) takes the key path of `-c`
apart at every dot, quoted or not; an inline table names any provider, and is merged with what config.toml says of it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from cfp.codex import config_toml
from cfp.codex.text import Unparseable
from cfp.commands.command import Command, always
from cfp.commands.overrides import overrides
from cfp.commands.route_flags import (
    add_clear_argument,
    add_key_arguments,
    add_policy_argument,
    add_url_argument,
)
from cfp.core.facts import Facts
from cfp.core.plan.baseline import derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key
from cfp.core.plan.install import check_readable
from cfp.core.plan.model_catalog import own_catalog
from cfp.core.policy import EffectivePolicy
from cfp.core.provider import choose_provider
from cfp.core.route_report import policy_in_effect, route_warnings
from cfp.core.settings import Policy, Settings
from cfp.core.wire.identity import route_identity
from cfp.errors import CfpError, Refused, UsageError
from cfp.host.codex_cli import CodexCli
from cfp.host.doctor_facts import swallowing_proxies
from cfp.host.home import Host
from cfp.host.programs.batch import is_script
from cfp.host.programs.codex import find_codex_program, is_codex
from cfp.host.programs.npm import native_program
from cfp.host.programs.search import find_program
from cfp.host.provider.outbound import outbound_environ
from cfp.host.survey import RequestedAddress
from cfp.host.system.foreground import run_in_foreground
from cfp.host.system.scratch import scratch
from cfp.layout import locate
from cfp.messages.identities import IDENTITIES
from cfp.messages.run import RUN
from cfp.result import Exit

EXAMPLES = (
    ("-- codex", "an interactive session with Fast, without installing anything"),
    ('-- codex exec "Explain this folder"', "one turn"),
    ("--service-tier-policy inject_missing -- codex", "priority for every request that names no tier"),
    ("--upstream-base https://relay.example/v1 -- codex", "another URL of the provider, for this session only"),
)

_DAEMON_SINCE = (0, 160)  # the first release whose interactive sessions run in a background server
_WITHOUT_DAEMON = frozenset({"exec", "e", "review", "app-server", "mcp-server", "mcp", "login", "logout", "doctor"})
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    provider: str | None
    upstream_base: str | None
    service_tier_policy: str | None
    upstream_api_key_env: str | None
    use_provider_auth_file: bool
    clear_upstream_auth: bool
    log_dir: str | None
    quiet: bool
    tail: tuple[str, ...]

    def request(self) -> RouteRequest:
        return RouteRequest(
            provider=self.provider,
            upstream_base=self.upstream_base,
            service_tier_policy=Policy(self.service_tier_policy) if self.service_tier_policy else None,
            upstream_api_key_env=self.upstream_api_key_env,
            use_provider_auth_file=self.use_provider_auth_file,
            clear_upstream_auth=self.clear_upstream_auth,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that stand before `--`; behind it, everything is Codex's."""
    parser.add_argument("--provider", metavar="NAME", help="the provider to use (default: the one that Codex would)")
    add_url_argument(parser, default="its base_url in config.toml")
    add_policy_argument(parser)
    add_key_arguments(parser)
    add_clear_argument(parser)
    parser.add_argument(
        "--log-dir", metavar="DIR", help="the folder for the request log (default: the log is deleted)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing of our own on stderr")


def run(args: Args, host: Host) -> Exit:
    """Run it and return its exit code; raises CfpError before anything is started."""
    program = _program(args.tail, host.environ)
    facts = host.survey(RequestedAddress(upstream_base=args.upstream_base))
    check_readable(facts)
    doc = facts.as_codex_reads(config_toml.parse(derive_baseline(facts).config.content))
    target = choose_provider(doc, args.provider or _chosen(args.tail[1:], host))
    settings = candidate_settings(facts, args.request(), target)
    check_key(facts, settings)
    own_catalog(doc, settings)  # a catalogue past the proxy is refused before anything is started
    from cfp.proxy.config import WorkerConfig  # noqa: PLC0415  a refusal does without the worker
    from cfp.proxy.worker.ephemeral import serving  # noqa: PLC0415

    with scratch("run", host.environ) as folder:
        config = WorkerConfig(
            settings=replace(settings, port=0),
            layout=host.layout,
            environ=outbound_environ(host.environ, host.disk.read(host.layout.dotenv)),
            log_dir=Path(args.log_dir) if args.log_dir else folder,
        )
        with serving(config) as port:
            here = replace(settings, port=port)
            if not args.quiet:
                _tell(facts, here)
            words = [
                *overrides(target, here.base_url, own_catalog(doc, here)),
                *_no_daemon(program, args.tail[1:], host),
                *args.tail[1:],
            ]
            return Exit(code=run_in_foreground(program, words, _environment(host)))


def _program(tail: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Find what stands behind `--`; it must be Codex, since others do not take its flags."""
    if not tail:
        raise UsageError("run_needs_codex")
    path = find_program(tail[0], environ) or (find_codex_program(environ) if tail[0] == "codex" else None)
    if path is None:
        raise Refused("run_program_missing", program=tail[0])
    if not is_codex(Path(tail[0]).stem):
        raise UsageError("run_needs_codex")
    program = native_program(path) or path
    if is_script(program):
        raise Refused("run_program_is_script", program=str(program))
    return program


def _chosen(words: Sequence[str], host: Host) -> str | None:
    """The provider that Codex's own flags choose: `-c model_provider=…` beats the profile of `-p` (Codex 0.169)."""
    chosen = None
    for flag, value in pairwise([*_apart(words), ""]):
        name, _, text = value.partition("=")
        if flag in {"-p", "--profile"} and chosen is None:
            chosen = _of_profile(host, value)
        elif flag in {"-c", "--config"} and name.strip() == "model_provider":
            chosen = text.strip().strip("\"'")
    return chosen


def _apart(words: Sequence[str]) -> list[str]:
    """`--flag=value` as two words."""
    return [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]


def _of_profile(host: Host, name: str) -> str | None:
    try:
        doc: Mapping[str, Any] = config_toml.parse(host.disk.read(host.layout.profile(name)))
    except (OSError, Unparseable):
        return None
    provider = doc.get("model_provider")
    return provider if isinstance(provider, str) else None


def _no_daemon(program: Path, words: Sequence[str], host: Host) -> list[str]:
    """Keep an interactive session out of Codex's background server, which would outlive our proxy."""
    first = next((word for word in words if not word.startswith("-")), "")
    if first in _WITHOUT_DAEMON or "--no-daemon" in words:
        return []
    try:
        version = CodexCli(program=program, environ=_environment(host)).version()
    except CfpError:
        return []
    return ["--no-daemon"] if version >= _DAEMON_SINCE else []


def _environment(host: Host) -> dict[str, str]:
    """Codex's environment: this home, and no outbound proxy for the way to us."""
    environ = dict(host.environ)
    if locate(None, environ) != host.layout:
        environ["CODEX_HOME"] = str(host.layout.home)
    if swallowing_proxies(environ):
        exempt = environ.get("NO_PROXY") or environ.get("no_proxy")
        environ["NO_PROXY"] = environ["no_proxy"] = f"{exempt},{_LOOPBACK}" if exempt else _LOOPBACK
    return environ


def _tell(facts: Facts, settings: Settings) -> None:
    effective = policy_in_effect(facts, settings)
    details = {
        "provider": settings.provider,
        "upstream_base": settings.upstream_base,
        "base_url": settings.base_url,
        "tier": settings.service_tier,
    }
    line = (
        RUN["adds_tier" if effective is EffectivePolicy.INJECT_MISSING else "adds_no_tier"].filled(details).sentence
    )
    route = route_identity(facts, settings)
    if route.login_reaches_provider:
        login = IDENTITIES[route.through_proxy]
        line += " " + RUN["sends_login"].filled({"login": login}).sentence
    for warning in route_warnings(facts, settings):
        line += f" {warning.message.sentence} {warning.message.action}"
    sys.stderr.write(f"codex-fast-proxy: {line}{os.linesep}")
    sys.stderr.flush()


COMMAND = Command(
    doc=__doc__,
    examples=EXAMPLES,
    args=Args,
    add_arguments=add_arguments,
    tail="codex …",
    output="Prints nothing of its own: stdout, stderr and the exit code are those of the program that it starts.",
    run=run,
    writes=always,
)
