"""What the user's files say right now: the provider's key, how Codex is signed in, the opt-out. Read by stat.

A request that nothing has changed for costs one stat a file. Keys are never logged: what leaves here for a log is
the name of their source.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from cfp.codex.auth_json import api_key, login_mode
from cfp.core.policy import EffectivePolicy, LoginMode, effective_policy
from cfp.core.settings import Policy, Settings
from cfp.layout import Layout

T = TypeVar("T")
# Without one of these a config.toml says nothing that is asked of it; a backslash could spell either key.
_CONFIG_MARKS: Final = (b"service_tier", b"cli_auth_credentials_store", b"\\")
_FIELD_VALUE: Final = re.compile(r"[!-~]+\Z")


class StatCached(Generic[T]):
    """One file's meaning, read again only when the file's stat changes. A missing file is `parse(None)`."""

    def __init__(self, path: Path, parse: Callable[[bytes | None], T]) -> None:
        self._path = os.fspath(path)
        self._parse = parse
        self._seen: tuple[int, ...] | None = ()
        self._value: T

    def get(self) -> T:
        # Asked first, since a stat that fails costs an exception.
        if self._seen is None and not os.access(self._path, os.F_OK):
            return self._value
        try:
            found = os.stat(self._path)  # noqa: PTH116  a Path costs more than the call, for every request
        except OSError:
            seen = None
        else:
            seen = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._value = self._parse(self._read())
            self._seen = seen
        return self._value

    def _read(self) -> bytes | None:
        try:
            return Path(self._path).read_bytes()
        except OSError:
            return None


class KeyUnusable(Exception):
    """The provider's key cannot be used; `source` names where it was looked for, `missing` tells which way."""

    def __init__(self, source: str, *, missing: bool) -> None:
        super().__init__(source)
        self.source = source
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class _UserConfig:
    service_tier: Any = None
    credentials_store: str | None = None


class Credentials:
    """One worker's view on auth.json, config.toml and provider-auth.json."""

    def __init__(
        self,
        settings: Settings,
        layout: Layout,
        environ: Mapping[str, str],
        turn: Callable[[], object] = object,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._turn = turn
        self._known_in: object = None  # the turn in which the key was last looked for, and found good
        self._config = StatCached(layout.config, self._parse_config)
        self._auth = StatCached(layout.auth, lambda data: data)
        self._provider_auth = StatCached(layout.provider_auth, self._parse_provider_auth)
        self._dotenv = StatCached(layout.dotenv, self._parse_dotenv)
        policy = settings.service_tier_policy
        self._fixed_policy = None if policy is Policy.AUTO else effective_policy(policy, LoginMode.UNKNOWN)
        self._last_config: _UserConfig | None = None
        self._login: tuple[bytes | None, str | None, LoginMode] | None = None
        self._field: tuple[str | None, bytes] = (None, b"")  # the key that was sent last, and how it is said

    @property
    def key_source(self) -> str | None:
        """Where an overriding key comes from, as settings and status name it."""
        if self._settings.upstream_api_key_env is not None:
            return self._named_key(self._settings.upstream_api_key_env)[1]
        return "provider_auth_file" if self._settings.upstream_api_key_file else None

    def key_available(self) -> bool:
        """Whether what is to be sent is there; True where Codex's own is passed on, as `status` says it too."""
        try:
            self.authorization()
        except KeyUnusable:
            return False
        return True

    def authorization(self) -> bytes | None:
        """Return the field value that replaces the client's; None passes theirs on. Raises KeyState."""
        turn = self._turn()
        if turn != self._known_in:
            self._known_in = None
            self._said = self._authorization()
            self._known_in = turn
        return self._said

    def _authorization(self) -> bytes | None:
        name = self._settings.upstream_api_key_env
        if name is not None:
            key = self._named_key(name)[0]
        elif self._settings.upstream_api_key_file:
            key = self._provider_auth.get()
        else:
            return None
        if key is None or key != self._field[0]:
            source = "provider-auth.json" if name is None else f"the environment variable {name}"
            self._field = (key, _field_value(key, source))
        return self._field[1]

    def _named_key(self, name: str) -> tuple[str | None, str]:
        """Return the key of a variable and its source: .env, which Codex too prefers; the environment; auth.json."""
        set_in_file = self._dotenv.get().get(name)
        if set_in_file or self._environ.get(name):
            return set_in_file or self._environ.get(name), "process_env"
        kept = api_key(self._auth.get(), name)
        return kept, "auth_json_fallback" if kept else "process_env"

    def login(self) -> LoginMode:
        data, store = self._auth.get(), self._config.get().credentials_store
        if self._login is None or self._login[0] is not data or self._login[1] != store:
            self._login = (data, store, login_mode(data, store))
        return self._login[2]

    def effective_policy(self) -> EffectivePolicy:
        """Judge for a request without a tier, now."""
        if self._fixed_policy is not None:
            return self._fixed_policy
        opted_out = self._config.get().service_tier == "default"
        return effective_policy(Policy.AUTO, self.login(), opted_out=opted_out)

    def _parse_dotenv(self, data: bytes | None) -> Mapping[str, str]:
        if data is None:
            return {}
        from cfp.host.provider.dotenv import parse_dotenv  # noqa: PLC0415  few homes have one, and listening needs none

        return parse_dotenv(data, self._environ)

    def _parse_provider_auth(self, data: bytes | None) -> str | None:
        try:
            key = json.loads(data or b"{}")["providers"][self._settings.provider]["api_key"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        return key if isinstance(key, str) else None

    def _parse_config(self, data: bytes | None) -> _UserConfig:
        """Keep the last good reading while somebody is in the middle of an edit."""
        if self._last_config is None and not any(mark in (data or b"") for mark in _CONFIG_MARKS):
            self._last_config = _UserConfig()
            return self._last_config
        from cfp.codex.toml_reader import loads  # noqa: PLC0415  10 ms, only where there is something to read

        try:
            doc = loads((data or b"").decode("utf-8-sig"))
        except ValueError:
            return self._last_config or _UserConfig()
        store = doc.get("cli_auth_credentials_store")
        self._last_config = _UserConfig(
            service_tier=doc.get("service_tier"), credentials_store=store if isinstance(store, str) else None
        )
        return self._last_config


def _field_value(key: str | None, source: str) -> bytes:
    """How a key is said in Authorization; raises KeyState."""
    key = (key or "").strip()
    if not key:
        raise KeyUnusable(source, missing=True)
    if not _FIELD_VALUE.match(key):
        raise KeyUnusable(source, missing=False)
    return b"Bearer " + key.encode("ascii")
