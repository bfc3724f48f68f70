"""The facts that only doctor reads: the environment, the administrator's files, the CLI's answers."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from cfp.core.checks.check import DoctorFacts
from cfp.core.facts import Facts
from cfp.core.policy import LoginMode
from cfp.core.provider import env_key, providers
from cfp.errors import CfpError
from cfp.host.disk import read_or_none
from cfp.host.home import Host
from cfp.host.places import homes_beside
from cfp.host.provider.dotenv import parse_dotenv
from cfp.host.system import macos
from cfp.host.system.distribution import namesakes, sharing_distributions
from cfp.host.system.files.privacy import open_to_others, readers
from cfp.host.system.interpreters import versioned_path
from cfp.host.system.skill_link import stale_target
from cfp.socket_owner import lookups

_PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def read_doctor_facts(host: Host, facts: Facts, *, platform_name: str = sys.platform) -> DoctorFacts:
    """Read them once; unreadable files and failed CLI calls are left out."""
    environ = {**host.environ, **parse_dotenv(read_or_none(host.layout.dotenv), host.environ)}
    doc = facts.codex_config
    model = doc.get("model") if isinstance(doc.get("model"), str) else ""
    store = doc.get("cli_auth_credentials_store")
    unknown = facts.login is LoginMode.UNKNOWN
    return DoctorFacts(
        python=platform.python_version(),
        proxies=swallowing_proxies(environ),
        keyring=store in {"keyring", "auto"},
        cli_login=host.codex.login() if unknown and host.codex is not None else None,
        model=model or "",
        model_tiers=_tiers(host, model) if model else None,
        place=host.place,
        beside=homes_beside(),
        shows_owners=bool(lookups()),
        open_files=_named(open_to_others(host.layout.own_folders)),
        open_secrets=_named({path: readers(path) for path in (host.layout.auth, host.layout.dotenv)}),
        app_variables=_app_variables(facts, platform_name),
        versioned_python=versioned_path(facts.runtime.python),
        sharing_distributions=sharing_distributions(),
        namesakes=namesakes(_searched_folders(host.environ)),
        stale_skill=stale_target(host.environ),
    )


def _searched_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the folders in which a Python that is started here looks for modules before its own."""
    try:
        here = os.getcwd()  # noqa: PTH109  text
    except OSError:  # it was deleted
        here = ""
    named = environ.get("PYTHONPATH", "").split(os.pathsep)
    return tuple(dict.fromkeys(os.path.join(here, one) for one in (*named, here) if here or one))  # noqa: PTH118  text


def _named(readers_of: Mapping[Path, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((str(path), names) for path, names in readers_of.items() if names)


def _app_variables(facts: Facts, platform_name: str) -> frozenset[str] | None:
    """Return the names of the variables with keys that the Codex App has; None where no shell matters to it."""
    if platform_name not in {"darwin", "win32"}:
        return None
    doc = facts.codex_config
    keys = {name for provider in providers(doc) if (name := env_key(doc, provider)) is not None}
    kept = macos.launchd_variables(keys & facts.environment) if platform_name == "darwin" else frozenset()
    return facts.dotenv | facts.user_environment | kept


def swallowing_proxies(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the proxy variables that Codex would apply to loopback requests, too (Codex 0.169)."""
    exempt = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").replace(" ", "").split(",")
    if {"127.0.0.1", "*"} & set(exempt):
        return ()
    return tuple(name for name in _PROXY_VARIABLES if environ.get(name))


def _tiers(host: Host, model: str) -> tuple[str, ...] | None:
    try:
        return host.codex.tiers(model) if host.codex is not None else None
    except CfpError:
        return None
