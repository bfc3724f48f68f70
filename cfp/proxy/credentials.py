"""The provider's key, its own header fields, the login mode and the opt-out, from the user's files, cached by stat.

A request costs one stat per file while the files do not change. Keys are never logged; logs get the name of a key's
source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any, Final, Generic, NamedTuple, TypeVar

from cfp.codex.auth_json import Login, api_key, login_mode
from cfp.codex.auth_json import login as auth_login
from cfp.core import header_names
from cfp.core.keys.bearer import bearer, is_key
from cfp.core.keys.provider_auth import stored_keys
from cfp.core.policy import (
    EffectivePolicy,
    FastBehavior,
    LoginMode,
    chosen_tier,
    effective_policy,
    fast_behavior,
    is_opt_out,
    mode_of_keys,
)
from cfp.core.settings import Policy, Settings
from cfp.host.system.files.file_use import read_bytes
from cfp.layout import SYSTEM, Layout, SystemLayout
from journal.fs import FileInUse

T = TypeVar("T")
_KEPT_S: Final = 10.0
# A config.toml without any of these has neither setting; a backslash may be an escape inside either key.
_CONFIG_MARKS: Final = (b"service_tier", b"cli_auth_credentials_store", b"\\")
_TIER_MARKS: Final = (b"service_tier", b"\\")
# `http_headers`, the end of `env_http_headers`, and `gateway_oauth` count in split mode only.
_HEADERS_MARKS: Final = (b"http_headers", b"gateway_oauth")
_TABLES: Final = ("http_headers", "env_http_headers")


class StatCached(Generic[T]):
    """One parsed file, read again only when its stat changes. A missing file is `parse(None)`.

    While another program keeps a changed file to itself (Windows), the last value stays for `_KEPT_S` seconds; after
    them, and where there is none, the file counts as missing until it can be read.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes | None], T],
        read: Callable[[Path], bytes] = read_bytes,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = os.fspath(path)
        self._parse = parse
        self._read = read
        self._clock = clock
        self._in_use: tuple[tuple[int, ...] | None, float] | None = None  # which stat, since when
        self._stat: tuple[int, ...] | None = ()
        self._value: T

    def get(self) -> T:
        # Checked first, because a stat that fails raises an exception, which costs more.
        if self._stat is None and not os.access(self._path, os.F_OK):
            return self._value
        try:
            stat_result = os.stat(self._path)  # noqa: PTH116  a Path costs more than the call, for every request
        except OSError:
            stat = None
        else:
            stat = (stat_result.st_mtime_ns, stat_result.st_ctime_ns, stat_result.st_size, stat_result.st_ino)
        if stat != self._stat:
            try:
                data = self._read(Path(self._path))
            except FileInUse:
                return self._value_in_use(stat)
            except OSError:
                data = None
            self._value = self._parse(data)
            self._stat = stat
        return self._value

    def _value_in_use(self, stat: tuple[int, ...] | None) -> T:
        """Return the value while the file cannot be read; the next request tries again."""
        now = self._clock()
        if self._in_use is None or self._in_use[0] != stat:
            self._in_use = (stat, now)
        if self._stat == () or now - self._in_use[1] >= _KEPT_S:
            self._value = self._parse(None)
            self._stat = ()
        return self._value


class KeyUnusable(Exception):
    """The provider's key is missing or malformed; `source` names its place, `missing` says which of the two."""

    def __init__(self, source: str, *, missing: bool) -> None:
        super().__init__(source)
        self.source = source
        self.missing = missing


class AuthOverride(NamedTuple):
    """The identity of requests in split mode; the same object for as long as neither part changes.

    authorization  the provider's key as a field value
    passing        lower-case names of the fields that pass; every other one stays here
    """

    authorization: bytes
    passing: frozenset[bytes]


def _passing(names: Iterable[str] = ()) -> frozenset[bytes]:
    return frozenset(name.encode() for name in header_names.passing_fields(names))


_PASSING: Final = _passing()


@dataclass(frozen=True, slots=True, kw_only=True)
class _UserConfig:
    service_tier: Any = None
    credentials_store: str | None = None
    passing: frozenset[bytes] = _PASSING


class _StatedTier:
    """Reads the tier in one of the administrator's files; one that cannot be parsed changes nothing."""

    def __init__(self) -> None:
        self._last: Any = None

    def __call__(self, data: bytes | None) -> Any:
        if data is None or not any(mark in data for mark in _TIER_MARKS):
            self._last = None
            return None
        from cfp.codex.toml_reader import loads  # noqa: PLC0415  as for config.toml

        with suppress(ValueError):
            self._last = chosen_tier(loads(data.decode("utf-8-sig")))
        return self._last


class Credentials:
    """The parts of auth.json, config.toml, .env and provider-auth.json that requests need.

    turn    returns an object that changes with each turn of the event loop; the key is looked up once per turn
    system  the administrator's files, which state the tier, too
    """

    def __init__(
        self,
        settings: Settings,
        layout: Layout,
        environ: Mapping[str, str],
        turn: Callable[[], object] = object,
        system: SystemLayout = SYSTEM,
    ) -> None:
        self._settings = settings
        self._layout = layout
        self._began = time()
        self._environ = environ
        self._turn = turn
        self._looked_up_in: object = None  # the turn of the last lookup that succeeded
        self._config = StatCached(layout.config, self._parse_config)
        above, self._below = (system.requirements, system.managed), StatCached(system.config, _StatedTier())
        self._above = tuple(StatCached(path, _StatedTier()) for path in above)
        # Read only where nobody is signed in.
        self._names_key = tuple(StatCached(path, self._parse_names_key) for path in (layout.config, system.config))
        self._auth = StatCached(layout.auth, lambda data: data)
        self._provider_auth = StatCached(layout.provider_auth, self._parse_provider_auth)
        self._dotenv = StatCached(layout.dotenv, self._parse_dotenv)
        policy = settings.service_tier_policy
        self._fixed_policy = None if policy is Policy.AUTO else effective_policy(policy, LoginMode.UNKNOWN)
        self._config_marks = (*_CONFIG_MARKS, *_HEADERS_MARKS) if settings.overrides_auth else _CONFIG_MARKS
        self._last_config: _UserConfig | None = None
        self._login: tuple[bytes | None, str | None, tuple[LoginMode, Login]] | None = None
        self._last_key: str | None = None
        self._override: AuthOverride | None = None  # of the last key

    @property
    def key_source(self) -> str | None:
        """The source of an overriding key, as settings and status name it."""
        if self._settings.upstream_api_key_env is not None:
            return self._named_key(self._settings.upstream_api_key_env)[1]
        return "provider_auth_file" if self._settings.upstream_api_key_file else None

    def key_available(self) -> bool:
        """Whether the key can be sent; True where Codex's own Authorization is passed on, as in `status`."""
        try:
            self.auth_override()
        except KeyUnusable:
            return False
        return True

    def key_changed_at(self) -> float:
        """Return when the files that may hold the key were written last, in seconds since the epoch; 0.0: never.

        A variable of this process has the value with which the process began.
        """
        if self._settings.upstream_api_key_file:
            places: tuple[Path, ...] = (self._layout.provider_auth,)
        else:
            places = (self._layout.dotenv, self._layout.auth)
        began = self._began if self._settings.upstream_api_key_env is not None else 0.0
        return max(began, *map(_written_at, places))

    def auth_override(self) -> AuthOverride | None:
        """Return the identity that replaces the client's; None passes theirs on. Raises KeyUnusable."""
        turn = self._turn()
        if turn != self._looked_up_in:
            self._looked_up_in = None
            self._value = self._look_up()
            self._looked_up_in = turn
        return self._value

    def _look_up(self) -> AuthOverride | None:
        name = self._settings.upstream_api_key_env
        if name is not None:
            key = self._named_key(name)[0]
        elif self._settings.upstream_api_key_file:
            key = self._provider_auth.get()
        else:
            return None
        override, passing = self._override, self._config.get().passing
        if key is None or key != self._last_key or override is None:
            source = "provider-auth.json" if name is None else f"the environment variable {name}"
            override = self._override = AuthOverride(_checked_bearer(key, source), passing)
            self._last_key = key
        elif override.passing != passing:
            override = self._override = AuthOverride(override.authorization, passing)
        return override

    def _named_key(self, name: str) -> tuple[str | None, str]:
        """Return a variable's key and source: .env first, as in Codex; then the environment; then auth.json."""
        for variables in (self._dotenv.get(), self._environ):
            key = variables.get(name)
            if is_key(key):
                return key, "process_env"
        key = api_key(self._auth.get(), name)
        return key, "auth_json_fallback" if key else "process_env"

    def login(self) -> LoginMode:
        """Return how Codex is signed in now."""
        return self._logins()[0]

    def _logins(self) -> tuple[LoginMode, Login]:
        data, store = self._auth.get(), self._config.get().credentials_store
        if self._login is None or self._login[0] is not data or self._login[1] != store:
            self._login = (data, store, (login_mode(data, store), auth_login(data, store)))
        return self._login[2]

    def effective_policy(self) -> EffectivePolicy:
        """Return the policy for a request without a tier, now."""
        if self._fixed_policy is not None:
            return self._fixed_policy
        return effective_policy(Policy.AUTO, self._policy_login(), opted_out=is_opt_out(self._tier_in_force()))

    def fast_behavior(self) -> FastBehavior:
        """Return the behaviour that a user notices, now."""
        return fast_behavior(self._settings.service_tier_policy, self._policy_login())

    def _policy_login(self) -> LoginMode:
        mode, login = self._logins()
        if login is not Login.NONE:
            return mode
        names_key = self._settings.overrides_auth or any(file.get() for file in self._names_key)
        return mode_of_keys(mode, login, names_key=names_key)

    def _parse_names_key(self, data: bytes | None) -> bool:
        """Whether the file names a key of the provider's own."""
        from cfp.codex.toml_reader import loads  # noqa: PLC0415  see below
        from cfp.core.identities import names_own_key  # noqa: PLC0415  only where nobody is signed in

        try:
            return names_own_key(loads((data or b"").decode("utf-8-sig")), self._settings.provider)
        except ValueError:
            return False

    def _tier_in_force(self) -> Any:
        """Return the tier of the highest file that states one, as `Facts.opted_out` reads them."""
        for file in self._above:
            if (tier := file.get()) is not None:
                return tier
        tier = self._config.get().service_tier
        return self._below.get() if tier is None else tier

    def _parse_dotenv(self, data: bytes | None) -> Mapping[str, str]:
        if data is None:
            return {}
        from cfp.host.provider.dotenv import parse_dotenv  # noqa: PLC0415  few homes have one, and listening does not need it

        return parse_dotenv(data, self._environ)

    def _parse_provider_auth(self, data: bytes | None) -> str | None:
        return stored_keys(data).get(self._settings.key_entry)

    def _parse_config(self, data: bytes | None) -> _UserConfig:
        """Parse config.toml; a file that cannot be parsed, perhaps in the middle of an edit, changes nothing."""
        if self._last_config is None and not any(mark in (data or b"") for mark in self._config_marks):
            self._last_config = _UserConfig()
            return self._last_config
        from cfp.codex.toml_reader import loads  # noqa: PLC0415  10 ms, only where the file has one of the settings

        try:
            doc = loads((data or b"").decode("utf-8-sig"))
        except ValueError:
            return self._last_config or _UserConfig()
        store = doc.get("cli_auth_credentials_store")
        self._last_config = _UserConfig(
            service_tier=chosen_tier(doc),
            credentials_store=store if isinstance(store, str) else None,
            passing=self._passing_of(doc) if self._settings.overrides_auth else _PASSING,
        )
        return self._last_config

    def _passing_of(self, doc: Mapping[str, Any]) -> frozenset[bytes]:
        """Return the fields that pass with this config.toml."""
        from cfp.core.provider import BUILT_IN, providers  # noqa: PLC0415  only where config.toml has to be parsed

        provider = self._settings.provider
        table = {} if provider == BUILT_IN else providers(doc).get(provider, {})
        names = [name for key in _TABLES for name in _mapping(table.get(key))]
        gateway = _mapping(_mapping(table.get("gateway_oauth")).get("delivery")).get("name")
        return _passing([*names, gateway] if isinstance(gateway, str) else names)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _checked_bearer(key: str | None, source: str) -> bytes:
    """Return the Authorization value of a key; raises KeyUnusable."""
    if not is_key(key):
        raise KeyUnusable(source, missing=True)
    value = bearer(key)
    if value is None:
        raise KeyUnusable(source, missing=False)
    return value
