"""The paths of all files under CODEX_HOME. No other module joins paths of the user's home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime  # 2 ms of a worker's start

HEALTH_PATH = "/__codex_fast_proxy/health"
DASHBOARD_PATH = "/__codex_fast_proxy/dashboard"
API_PATH = "/__codex_fast_proxy/api"
CATALOG_PATH = "/__codex_fast_proxy/catalog"
DEFAULT_PROXY_BASE = "/v1"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one Codex home.

    `home` is the folder as Codex spells it: Codex builds its hook-trust keys from that spelling, which is the
    resolved path where CODEX_HOME is set and the unresolved `$HOME/.codex` where it is not.
    """

    home: Path

    @property
    def config(self) -> Path:
        return self.home / "config.toml"

    def profile(self, name: str) -> Path:
        """Return the profile file that Codex layers over config.toml with `-p NAME`."""
        return self.home / f"{name}.config.toml"

    @property
    def hooks(self) -> Path:
        return self.home / "hooks.json"

    @property
    def auth(self) -> Path:
        return self.home / "auth.json"

    @property
    def dotenv(self) -> Path:
        return self.home / ".env"

    @property
    def state(self) -> Path:
        return self.home / "codex-fast-proxy-state"

    @property
    def settings(self) -> Path:
        return self.state / "settings.json"

    @property
    def provider_auth(self) -> Path:
        return self.state / "provider-auth.json"

    @property
    def manifest(self) -> Path:
        return self.state / "install-manifest.json"

    @property
    def worker(self) -> Path:
        """The folder for all files that the worker writes."""
        return self.state / "state"

    @property
    def pid_file(self) -> Path:
        return self.worker / "fast_proxy.pid"

    @property
    def worker_lock(self) -> Path:
        """The lock that a worker holds as long as it lives."""
        return self.worker / "fast_proxy.lock"

    def control(self, nonce: str) -> Path:
        """Return the control socket of the worker with that nonce; the worker removes it, unless it is killed."""
        return self.worker / f"fast_proxy.{nonce}.sock"

    @property
    def request_log(self) -> Path:
        return self.worker / "fast_proxy.jsonl"

    @property
    def autostart_log(self) -> Path:
        return self.worker / "fast_proxy.autostart.jsonl"

    @property
    def benchmark(self) -> Path:
        return self.worker / "fast_proxy.benchmark.json"

    @property
    def worker_stdout(self) -> Path:
        return self.worker / "fast_proxy.stdout.log"

    @property
    def worker_stderr(self) -> Path:
        return self.worker / "fast_proxy.stderr.log"

    @property
    def backups(self) -> Path:
        return self.home / "backups" / "codex-fast-proxy"

    def backup(self, time: datetime) -> Path:
        """Return the copy of config.toml from that time; names sort by age."""
        return self.backups / f"config.toml.{time.strftime('%Y%m%dT%H%M%S%fZ')}.bak"

    @property
    def addresses(self) -> Path:
        """The record of the proxy's addresses; it stays with the backups after an uninstall."""
        return self.backups / "addresses.json"

    @property
    def journal(self) -> Path:
        return self.home / "codex-fast-proxy-journal"

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """Return every folder that is ours alone; none of them lists another one's files."""
        return (self.state, self.worker, self.journal, self.backups)

    @property
    def journal_lock(self) -> Path:
        return self.journal / "lock"


def locate(explicit: str | None, environ: Mapping[str, str]) -> Layout:
    """Return the Codex home of `--codex-home`, else of CODEX_HOME (empty counts as unset), else ~/.codex.

    The spelling follows Codex 0.169, which builds hook-trust keys from it: a CODEX_HOME is resolved,
    the default `$HOME/.codex` is not, even where it is a symbolic link.
    """
    default = default_home(environ)
    named = explicit or environ.get("CODEX_HOME")
    if not named:
        return Layout(default)
    resolved = Path(os.path.realpath(named))
    if not environ.get("CODEX_HOME") and resolved == Path(os.path.realpath(default)):
        return Layout(default)
    return Layout(resolved)


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the home that Codex uses where CODEX_HOME is not set, unresolved."""
    return Path(environ.get("HOME") or Path.home()) / ".codex"


SKILL_NAME = "codex-fast-proxy"


def skill_link(skills_root: str | None, environ: Mapping[str, str]) -> Path:
    """Return the path where agents look for our skill: below `skills_root`, by default ~/.agents/skills."""
    root = Path(skills_root) if skills_root else Path(environ.get("HOME") or Path.home()) / ".agents" / "skills"
    return root / SKILL_NAME
