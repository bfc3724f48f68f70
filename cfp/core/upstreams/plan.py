"""The decisions of `upstream`: the files that `add` and `remove` change, and the route that `use` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.keys.provider_auth import stored_keys, with_key, without_key
from cfp.core.plan.baseline import derive_baseline
from cfp.core.plan.candidate import RouteRequest, candidate_settings, check_key
from cfp.core.plan.changes import manifest_change, settings_change
from cfp.core.plan.install import check_readable
from cfp.core.provider import choose_provider, is_same_url
from cfp.core.settings import Settings
from cfp.core.state import uses_proxy
from cfp.core.upstreams.saved import SavedUpstream, parse_upstreams, route_of, serialise_upstreams
from cfp.core.wire.steps import key_steps
from cfp.errors import ConfigDrift, Refused, UsageError
from journal.values import FileChange


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFiles:
    """The present contents of upstreams.json and provider-auth.json."""

    upstreams: bytes | None
    provider_auth: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamsPlan:
    """The whole effect of `add` or `remove`; the running worker serves on as it is."""

    changes: tuple[FileChange, ...]
    upstreams: Mapping[str, SavedUpstream]
    active: str | None


def plan_add(
    facts: Facts, files: UpstreamFiles, name: str, request: RouteRequest, *, key: str | None, replaces: bool
) -> UpstreamsPlan:
    """Save a route under a name; without a flag and a key the present one, which is then the active one.

    key  that the user entered, for the entry of its own; None for none
    Raises Refused: not_enabled, upstream_exists, upstream_active, provider_key_missing, and what `candidate_settings`
    raises; UsageError(upstream_key_unchosen); ConfigDrift(provider_repointed).
    """
    settings = _settings_in_force(facts)
    saved = parse_upstreams(files.upstreams)
    if name in saved and not replaces:
        raise Refused("upstream_exists", name=name)
    is_present = request == RouteRequest() and key is None
    if settings.upstream == name and not is_present:
        raise Refused("upstream_active", name=name)
    named = settings if is_present else _named(facts, settings, request, entered=key is not None)
    upstream, auth = route_of(named, name), files.provider_auth
    if name in saved and saved[name].entry != upstream.entry:
        auth = without_key(auth, saved[name].entry)
    if upstream.upstream_api_key_file:
        own = key or stored_keys(files.provider_auth).get(named.key_entry)
        if own is None:
            raise Refused("provider_key_missing", provider=settings.provider, **key_steps(facts, settings.provider))
        auth = with_key(auth, upstream.entry, own)
    changes = list(_changes(facts, files, {**saved, name: upstream}, auth))
    active = settings.upstream
    if is_present and active is None and facts.manifest is not None:
        active, now = name, replace(settings, upstream=name)
        changes += [settings_change(facts, now), manifest_change(facts, replace(facts.manifest, settings=now))]
    return UpstreamsPlan(changes=tuple(changes), upstreams={**saved, name: upstream}, active=active)


def plan_remove(facts: Facts, files: UpstreamFiles, name: str) -> UpstreamsPlan:
    """Forget a saved upstream and its key; raises Refused: no_such_upstream, upstream_active."""
    saved = parse_upstreams(files.upstreams)
    upstream = _saved(saved, name)
    active = active_name(facts)
    if active == name:
        raise Refused("upstream_active", name=name)
    left = {other: route for other, route in saved.items() if other != name}
    auth = without_key(files.provider_auth, upstream.entry)
    return UpstreamsPlan(changes=tuple(_changes(facts, files, left, auth)), upstreams=left, active=active)


def request_to_use(facts: Facts, upstreams: bytes | None, name: str) -> RouteRequest:
    """Return the change of settings that makes it active.

    Raises Refused: no_such_upstream, not_enabled, upstream_of_other_provider.
    """
    upstream = _saved(parse_upstreams(upstreams), name)
    settings = facts.settings
    if settings is None:
        raise Refused("not_enabled")
    if settings.provider != upstream.provider:
        raise Refused("upstream_of_other_provider", name=name, provider=upstream.provider, in_force=settings.provider)
    return upstream.request()


def active_name(facts: Facts) -> str | None:
    """Return the name of the active upstream, or None."""
    settings = facts.recorded_settings
    return None if settings is None else settings.upstream


def is_changed(facts: Facts, upstream: SavedUpstream) -> bool:
    """Whether the active upstream was changed by `set-upstream` since it was saved; False for any other."""
    settings = facts.recorded_settings
    return (
        settings is not None and settings.upstream == upstream.name and route_of(settings, upstream.name) != upstream
    )


def _saved(saved: Mapping[str, SavedUpstream], name: str) -> SavedUpstream:
    if name not in saved:
        raise Refused("no_such_upstream", name=name, names=", ".join(saved) or "none")
    return saved[name]


def _settings_in_force(facts: Facts) -> Settings:
    check_readable(facts)
    if facts.settings is None or facts.manifest is None:
        raise Refused("not_enabled")
    if not uses_proxy(facts):
        raise ConfigDrift("provider_repointed", provider=facts.settings.provider)
    return facts.settings


def _named(facts: Facts, settings: Settings, request: RouteRequest, *, entered: bool) -> Settings:
    """Return the settings that the flags describe.

    Another URL gets no key by itself: neither the proxy's own, nor the one that Codex sends.
    """
    sources = (request.upstream_api_key_env, request.use_provider_auth_file, request.clear_upstream_auth)
    is_elsewhere = request.upstream_base is not None and not is_same_url(
        request.upstream_base, settings.upstream_base
    )
    if is_elsewhere and not any(sources) and not entered:
        raise UsageError("upstream_key_unchosen")
    doc = facts.as_codex_reads(config_toml.parse(derive_baseline(facts).config.content))
    wanted = replace(
        request, provider=settings.provider, use_provider_auth_file=request.use_provider_auth_file or entered
    )
    named = candidate_settings(facts, wanted, choose_provider(doc, settings.provider))
    if not entered:
        check_key(facts, named)
    return named


def _changes(
    facts: Facts, files: UpstreamFiles, upstreams: Mapping[str, SavedUpstream], provider_auth: bytes | None
) -> list[FileChange]:
    """Return the changes of both files; none of one that stays as it is."""
    layout, content = facts.layout, serialise_upstreams(upstreams) if upstreams else None
    changes = [
        FileChange(path=layout.provider_auth, before=files.provider_auth, after=provider_auth, secret=True),
        FileChange(path=layout.upstreams, before=files.upstreams, after=content, secret=True),
    ]
    return [change for change in changes if change.before != change.after]
