"""upstreams.json: the saved upstreams, `{"version":1,"upstreams":{NAME:{…}}}`; a key is never in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from cfp.core.keys.flaws import may_be_a_key
from cfp.core.plan.candidate import RouteRequest
from cfp.core.settings import Policy, Settings, entry_of, upstream_url
from cfp.errors import CfpError, Refused

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORMAT: Final = 1
_EMPTY: Final = b'{"version": 1, "upstreams": {}}'


def is_name(text: str) -> bool:
    """Whether a saved upstream may have this name; a key that stands in its place may not become one."""
    return _NAME.fullmatch(text) is not None and not may_be_a_key(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedUpstream:
    """A route with a name; fields as in `Settings`.

    provider               the id in config.toml for which it was saved
    upstream_api_key_file  its key has an entry of its own in provider-auth.json
    """

    name: str
    provider: str
    upstream_base: str
    service_tier_policy: Policy = Policy.AUTO
    upstream_api_key_env: str | None = None
    upstream_api_key_file: bool = False
    pass_rate_limits: bool = False
    service_tier_rules: tuple[str, ...] = ()

    @property
    def entry(self) -> str:
        """The entry of its key in provider-auth.json."""
        return entry_of(self.name, self.upstream_base)

    def request(self) -> RouteRequest:
        """Return the change of settings that makes it the active one."""
        return RouteRequest(
            upstream_base=self.upstream_base,
            service_tier_policy=self.service_tier_policy,
            upstream_api_key_env=self.upstream_api_key_env,
            use_provider_auth_file=self.upstream_api_key_file,
            clear_upstream_auth=not self.upstream_api_key_file and self.upstream_api_key_env is None,
            pass_rate_limits=self.pass_rate_limits,
            service_tier_rules=self.service_tier_rules,
            upstream=self.name,
            upstream_api_key_entry=self.entry if self.upstream_api_key_file else None,
        )

    def settings(self) -> Settings:
        """Return settings with this route, and the defaults for all else."""
        return Settings(
            provider=self.provider,
            upstream_base=self.upstream_base,
            service_tier_policy=self.service_tier_policy,
            upstream_api_key_env=self.upstream_api_key_env,
            upstream_api_key_file=self.upstream_api_key_file,
            upstream_api_key_entry=self.entry if self.upstream_api_key_file else None,
            upstream=self.name,
            pass_rate_limits=self.pass_rate_limits,
            service_tier_rules=self.service_tier_rules,
        )


def route_of(settings: Settings, name: str) -> SavedUpstream:
    """Return the route of the settings under a name."""
    return SavedUpstream(
        name=name,
        provider=settings.provider,
        upstream_base=settings.upstream_base,
        service_tier_policy=settings.service_tier_policy,
        upstream_api_key_env=settings.upstream_api_key_env,
        upstream_api_key_file=settings.upstream_api_key_file,
        pass_rate_limits=settings.pass_rate_limits,
        service_tier_rules=settings.service_tier_rules,
    )


def parse_upstreams(data: bytes | None) -> dict[str, SavedUpstream]:
    """Return the saved upstreams by name, in the file's order; raises Refused(upstreams_invalid)."""
    try:
        raw = json.loads(_EMPTY if data is None else data)
        if raw["version"] != _FORMAT:
            raise Refused("upstreams_invalid", reason="another version wrote it")
        return {name: _from_json(name, fields) for name, fields in raw["upstreams"].items()}
    except CfpError as error:
        if error.code == "upstreams_invalid":
            raise
        raise Refused("upstreams_invalid", reason=f"an upstream has an unusable value ({error.code})") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Refused("upstreams_invalid", reason=f"reading it failed ({type(error).__name__})") from error


def _from_json(name: str, fields: Mapping[str, Any]) -> SavedUpstream:
    env, file = fields.get("upstream_api_key_env"), fields.get("upstream_api_key_file")
    if not is_name(name) or not isinstance(env, str | None):
        raise ValueError(name)
    return SavedUpstream(
        name=name,
        provider=str(fields["provider"]),
        upstream_base=upstream_url(fields["upstream_base"]),
        service_tier_policy=Policy(fields["service_tier_policy"]),
        upstream_api_key_env=env,
        upstream_api_key_file=bool(file),
        pass_rate_limits=bool(fields.get("pass_rate_limits")),
        service_tier_rules=tuple(map(str, fields.get("service_tier_rules", ()))),
    )


def serialise_upstreams(upstreams: Mapping[str, SavedUpstream]) -> bytes:
    """Return the file with these upstreams."""
    routes = {name: asdict(upstream) for name, upstream in upstreams.items()}
    for route in routes.values():
        del route["name"]
    raw = {"version": _FORMAT, "upstreams": routes}
    return json.dumps(raw, indent=2, ensure_ascii=False).encode() + b"\n"
