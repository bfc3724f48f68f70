"""The paths of all files under CODEX_HOME. No other module joins paths of the user's home."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfp.windows_paths import real_path_of_windows

if TYPE_CHECKING:
    from datetime import datetime  # 2 ms of a worker's start

HEALTH_PATH = "/__codex_fast_proxy/health"
DASHBOARD_PATH = "/__codex_fast_proxy/dashboard"
API_PATH = "/__codex_fast_proxy/api"
CATALOG_PATH = "/__codex_fast_proxy/catalog"
MODELS_PATH = "/__codex_fast_proxy/models"
DEFAULT_PROXY_BASE = "/v1"
# Codex asks Windows for the user's folder, which programs know as USERPROFILE. HOME, which Git Bash sets to another
# folder at times, does not move it (Codex 0.171).
_USERS_FOLDER: Final = "USERPROFILE" if sys.platform == "win32" else "HOME"

# The one spelling of a path, as Codex resolves it: without links, and on Windows without short names and other cases.
real_path: Final = real_path_of_windows if sys.platform == "win32" else os.path.realpath


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

    def is_profile(self, name: str) -> bool:
        """Whether a file of the home is a profile by its name."""
        return name.endswith(".config.toml")

    @property
    def sessions(self) -> Path:
        """The folder of Codex's sessions: YEAR/MONTH/DAY/rollout-TIME-ID.jsonl."""
        return self.home / "sessions"

    @property
    def version_file(self) -> Path:
        """Codex's note on the newest release that it knows of."""
        return self.home / "version.json"

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
    def upstreams(self) -> Path:
        """The saved upstreams."""
        return self.state / "upstreams.json"

    @property
    def manifest(self) -> Path:
        return self.state / "install-manifest.json"

    def reserve(self, number: int) -> Path:
        """Return a file that keeps room for a full disk; it lies with the worker's, and goes with them."""
        return self.worker / f"fast_proxy.reserve.{number}"

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
    def ledger(self) -> Path:
        """The sums of the model requests in the request log."""
        return self.worker / "fast_proxy.ledger.json"

    @property
    def autostart_log(self) -> Path:
        return self.worker / "fast_proxy.autostart.jsonl"

    @property
    def benchmark(self) -> Path:
        return self.worker / "fast_proxy.benchmark.json"

    @property
    def benchmark_history(self) -> Path:
        """The results of earlier benchmarks, without their samples."""
        return self.worker / "fast_proxy.benchmarks.json"

    @property
    def tier_records(self) -> Path:
        """The evidence about the provider's tiers, which outlives the worker."""
        return self.worker / "fast_proxy.tiers.json"

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

    def record_of_newer(self, time: datetime) -> Path:
        """Return the place for a newer version's record that an uninstall by this one sets aside."""
        return self.backups / f"install-manifest.{time.strftime('%Y%m%dT%H%M%S%fZ')}.json"

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
    named = explicit or environ.get("CODEX_HOME")
    if not named:
        return Layout(default_home(environ))
    resolved, default = real_path(named), known_default_home(environ)
    is_default = default is not None and os.path.normcase(resolved) == os.path.normcase(real_path(default))
    if default is not None and is_default and not environ.get("CODEX_HOME"):
        return Layout(default)
    return Layout(Path(resolved))


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the home that Codex uses without CODEX_HOME, unresolved; raises Refused(users_folder_unknown)."""
    return home_of_user(users_folder(environ))


def known_default_home(environ: Mapping[str, str]) -> Path | None:
    """Return that home; None for a user without a folder, as in some containers and services."""
    folder = _users_folder(environ)
    return None if folder is None else home_of_user(folder)


def home_of_user(folder: Path) -> Path:
    """Return the home that Codex uses for the user with that folder."""
    return folder / ".codex"


def users_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's own folder, unresolved; raises Refused(users_folder_unknown)."""
    folder = _users_folder(environ)
    if folder is None:
        from cfp.errors import Refused  # noqa: PLC0415  only a user without a folder pays for it

        raise Refused("users_folder_unknown", variable=_USERS_FOLDER)
    return folder


def _users_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the variable, else the system's word; an empty variable is none, as for Codex."""
    named = environ.get(_USERS_FOLDER)
    return Path(named) if named else _folder_by_system()


if sys.platform == "win32":

    def _folder_by_system() -> Path | None:
        try:
            return Path.home()
        except RuntimeError:
            return None

else:

    def _folder_by_system() -> Path | None:
        from pwd import getpwuid  # noqa: PLC0415  not on Windows

        try:
            return Path(getpwuid(os.getuid()).pw_dir)
        except KeyError:
            return None


def is_same_home(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one home, however each is spelled."""
    return home_identity(one) == home_identity(other)


def home_identity(home: str | os.PathLike[str]) -> str:
    """Return the text that names a home: the same for each spelling of its path."""
    return os.path.normcase(real_path(home))


SKILL_NAME = "codex-fast-proxy"


def skill_link(skills_root: str | None, environ: Mapping[str, str]) -> Path:
    """Return the path where agents look for our skill: below `skills_root`, by default ~/.agents/skills."""
    root = Path(skills_root) if skills_root else users_folder(environ) / ".agents" / "skills"
    return root / SKILL_NAME


@dataclass(frozen=True, slots=True)
class SystemLayout:
    """The paths of the administrator's files of Codex."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def managed(self) -> Path:
        return self.folder / "managed_config.toml"

    @property
    def requirements(self) -> Path:
        return self.folder / "requirements.toml"


SYSTEM: Final = SystemLayout(Path("/etc/codex"))
