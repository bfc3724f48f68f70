"""settings.json: the saved settings of an installation."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from cfp.codex.compare import equivalent
from cfp.core.served_settings import LISTED, NUMBER, SERVED_SETTINGS, SWITCH, ServedSetting
from cfp.core.tiers.names import PRIORITY
from cfp.core.tiers.rules import parse_rules
from cfp.errors import Refused
from cfp.layout import DEFAULT_PROXY_BASE
from journal.values import Json

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8787
DEFAULT_TIER = PRIORITY
_HTTP_PORT = 80
_OPTIONAL_NUMBERS = ("fast_requests_a_day", "fast_tokens_a_day")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Policy(enum.StrEnum):
    """The policy for a request in which Codex leaves `service_tier` out."""

    AUTO = "auto"
    INJECT_MISSING = "inject_missing"
    PRESERVE = "preserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that the worker serves. Field names are those of settings.json, which version 0.1.0 shares.

    proxy_base               path prefix on our side, "/v1"
    upstream_base            the provider's base URL, without userinfo, query, fragment or trailing slash
    upstream_api_key_env     name of an environment variable with the provider's key, or None
    upstream_api_key_file    the key comes from provider-auth.json
    catalogue                Codex reads its catalogue of models at the proxy (`model_catalog_url`)
    service_tier_rules       the user's rules about tiers, a line each; see `core.tiers.rules`
    fast_requests_a_day      the most requests with Fast on a day, or None
    fast_tokens_a_day        the most tokens of such requests, or None
    upstream_api_key_entry   the key's entry there; None for the provider's
    upstream                 name of the saved upstream that the route comes from, or None
    pass_rate_limits         a 429 about a rate limit gets no Retry-After, and so ends the turn
    """

    provider: str
    upstream_base: str
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    proxy_base: str = DEFAULT_PROXY_BASE
    service_tier: str = DEFAULT_TIER
    service_tier_policy: Policy = Policy.AUTO
    upstream_api_key_env: str | None = None
    upstream_api_key_file: bool = False
    upstream_api_key_entry: str | None = None
    upstream: str | None = None
    pass_rate_limits: bool = False
    catalogue: bool = False
    service_tier_rules: tuple[str, ...] = ()
    fast_requests_a_day: int | None = None
    fast_tokens_a_day: int | None = None

    @property
    def base_url(self) -> str:
        """The proxy's URL in config.toml."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.proxy_base}"

    @property
    def overrides_auth(self) -> bool:
        """Whether the proxy sends a key of its own, in place of what Codex sends."""
        return self.upstream_api_key_file or self.upstream_api_key_env is not None

    @property
    def key_entry(self) -> str:
        """The entry of provider-auth.json that has the key which these settings may send."""
        return self.upstream_api_key_entry or self.provider

    @property
    def upstream_auth(self) -> str:
        """The origin of the key that the provider gets, as results and health name it; a closed set."""
        return "override_configured" if self.overrides_auth else "preserved"

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "service_tier_policy": str(self.service_tier_policy),
            "service_tier_rules": list(self.service_tier_rules),
            "base_url": self.base_url,
        }

    def serialise(self) -> bytes:
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False).encode() + b"\n"


def upstream_url(text: str) -> str:
    """Return the URL as it is stored; raises Refused(invalid_upstream_url)."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise Refused("invalid_upstream_url", reason="it is not a URL") from error
    reasons = {
        "the scheme must be http or https": parts.scheme not in {"http", "https"},
        "it names no host": not parts.hostname,
        "it carries user information": "@" in parts.netloc,
        "it carries a query, which belongs in query_params of the provider's table in config.toml": bool(parts.query)
        or "?" in text,
        "it carries a fragment": bool(parts.fragment) or "#" in text,
        "its port is 0": port == 0,
        "it has white space or a control character": bool(re.search(r"[\x00-\x20\x7f]", text.strip())),
    }
    for reason, holds in reasons.items():
        if holds:
            raise Refused("invalid_upstream_url", reason=reason)
    return text.strip().rstrip("/")


def entry_of(name: str, upstream_base: str) -> str:
    """Return the entry of a saved upstream's key in provider-auth.json, which no other URL shares."""
    return f"upstream {name} {upstream_base}"


def _is_loopback(host: str) -> bool:
    if host in {"localhost", DEFAULT_HOST}:
        return True
    import ipaddress  # noqa: PLC0415  2 ms of a worker's start, for an address that few choose

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_same_value(now: Json, written: Json) -> bool:
    """Whether a value of config.toml is the one that was written, an address of this machine in any spelling."""
    if isinstance(now, str) and isinstance(written, str) and (port := loopback_port(written)) is not None:
        return loopback_port(now) == port
    return equivalent(now, written)


def loopback_port(url: str) -> int | None:
    """Return the port of an http URL that leads to this machine, in any spelling; None for any other URL.

    Host names are compared without case and without the dot at the end. `0.0.0.0` and `[::]` lead here too (Linux),
    and so does each number that inet_aton(3) and the URL parser of Codex read as 127.0.0.1: 2130706433, 0x7f.1.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or not _leads_here(host):
        return None
    return _HTTP_PORT if port is None else port


def _leads_here(host: str) -> bool:
    if host.endswith((".localhost", "localhost.localdomain")):  # systemd-resolved answers the second one by itself
        return True
    number = _ipv4_number(host)
    if number is not None:
        return number == 0 or number >> 24 == 127
    import ipaddress  # noqa: PLC0415  as in _is_loopback

    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return _is_loopback(host)
    mapped = address.ipv4_mapped
    return int(address) in {0, 1} if mapped is None else int(mapped) == 0 or mapped.is_loopback


def _ipv4_number(host: str) -> int | None:
    """Return the address that inet_aton(3) reads in `host`: one to four numbers, octal with 0, hex with 0x."""
    parts = host.split(".")
    if len(parts) > 4 or not all(re.fullmatch(r"0x[0-9a-f]*|0[0-7]*|[1-9][0-9]*", part) for part in parts):
        return None
    *leading, last = (int(part.removeprefix("0x") or "0", _base(part)) for part in parts)
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    return sum(number << 8 * (3 - place) for place, number in enumerate(leading)) + last


def _base(number: str) -> int:
    if number.startswith("0x"):
        return 16
    return 8 if number.startswith("0") else 10


def _validate_fast(settings: Settings) -> None:
    parse_rules(settings.service_tier_rules)
    for name in _OPTIONAL_NUMBERS:
        limit = getattr(settings, name)
        if limit is not None and limit < 1:
            raise Refused("invalid_settings", field=name, reason="it must be a number from 1 on")


def is_variable(name: str) -> bool:
    """Whether a text can be the name of an environment variable."""
    return _ENV_NAME.match(name) is not None


def validate(settings: Settings) -> Settings:
    """Return the settings if the worker can serve every value; raises Refused with the field's own code."""
    if not settings.provider:
        raise Refused("invalid_settings", field="provider", reason="it is empty")
    if not _is_loopback(settings.host):
        raise Refused("host_not_loopback", host=settings.host)
    if not 1 <= settings.port <= 65535:
        raise Refused("invalid_settings", field="port", reason="it must be from 1 to 65535")
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", settings.proxy_base) or settings.proxy_base.endswith("/"):
        raise Refused("invalid_settings", field="proxy_base", reason="it must be a path like /v1")
    if not re.fullmatch(r"[a-z_]+", settings.service_tier):
        raise Refused("invalid_settings", field="service_tier", reason="it must be a lower-case word")
    _validate_fast(settings)
    env = settings.upstream_api_key_env
    if env is not None and not is_variable(env):
        raise Refused("invalid_env_name")
    if env is not None and settings.upstream_api_key_file:
        raise Refused("two_auth_sources")
    upstream = upstream_url(settings.upstream_base)
    parts = urlsplit(upstream)
    own_port = (parts.port or {"http": _HTTP_PORT, "https": 443}[parts.scheme]) == settings.port
    if own_port and parts.hostname and _leads_here(parts.hostname.rstrip(".")):
        raise Refused("upstream_is_proxy", upstream_base=upstream)
    return settings


def parse_settings(data: bytes) -> Settings:
    """Parse settings.json, also 0.1.0's; raises Refused(settings_invalid) with the field.

    Settings without a policy come from before policies: they mean `inject_missing`, or `preserve` where an
    upstream auth source is set.
    """
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused("settings_invalid", reason="it is not JSON") from error
    return settings_from_json(raw)


def settings_from_json(raw: Any) -> Settings:
    """Return the settings of a JSON object; raises Refused(settings_invalid) with the field."""
    if not isinstance(raw, Mapping):
        raise Refused("settings_invalid", reason="it is not a JSON object")
    values: dict[str, Any] = {"provider": None, "upstream_base": None}
    values |= {setting.name: raw[setting.name] for setting in SERVED_SETTINGS if setting.name in raw}
    for name in _OPTIONAL_NUMBERS:
        if values.get(name) is None:
            values.pop(name, None)
    for optional in ("upstream_api_key_env", "upstream_api_key_entry", "upstream"):
        if not values.get(optional):
            values.pop(optional, None)
    own_key = "upstream_api_key_env" in values or bool(values.get("upstream_api_key_file"))
    if values.get("service_tier_policy") is None:
        values["service_tier_policy"] = Policy.PRESERVE if own_key else Policy.INJECT_MISSING
    if values["service_tier_policy"] not in list(Policy):
        raise Refused("settings_invalid", reason=f"service_tier_policy must be one of {', '.join(Policy)}")
    for setting in SERVED_SETTINGS:
        if setting.name in values:
            values[setting.name] = _typed(setting, values[setting.name])
    values["service_tier_policy"] = Policy(values["service_tier_policy"])
    values["upstream_base"] = values["upstream_base"].rstrip("/")
    return validate(Settings(**values))


def _typed(setting: ServedSetting, value: Any) -> str | int | bool | tuple[str, ...]:
    """Return the value in the type of its kind; raises Refused(settings_invalid)."""
    if setting.kind == SWITCH:
        return bool(value)
    if setting.kind == NUMBER:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused("settings_invalid", reason=f"{setting.name} is not a number")
        return value
    if setting.kind == LISTED:
        if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise Refused("settings_invalid", reason=f"{setting.name} is not a list of texts")
        return tuple(value)
    if not isinstance(value, str):
        raise Refused("settings_invalid", reason=f"{setting.name} is not text")
    return value
