"""The installation's state, derived from what is there; and what each command does in each state.

The state is never read from a file: a file can be stale, restored from a backup or edited. `classify` is total
over its five inputs, and `OUTCOMES` is total over states and commands; tests enumerate both.
"""

from __future__ import annotations

import enum
from typing import Final

from cfp.core.facts import Facts, PortFact, PortState
from cfp.core.manifest import ManifestState
from cfp.core.provider import provider_url
from cfp.core.unrecorded import running, unrecorded


class State(enum.StrEnum):
    ABSENT = "absent"
    PREPARED = "prepared"  # settings or key saved, config direct
    ENABLED = "enabled"
    ENABLED_PENDING = "enabled_pending"  # a worker serves older settings or older code
    ENABLED_DOWN = "enabled_down"  # config points at the proxy, none is running
    DRIFTED = "drifted"  # the manifest says installed, config or hook says otherwise
    RESTORED_DEFERRED = "restored_deferred"  # files given back, worker and state still there
    FOREIGN = "foreign"  # config points at our address, and somebody else answers there


class Pointing(enum.Enum):
    """Where the recorded provider's URL leads."""

    DIRECT = "direct"
    PROXIED = "proxied"
    FOREIGN = "foreign"


class Hook(enum.Enum):
    ABSENT = "absent"
    UNTRUSTED = "untrusted"
    TRUSTED = "trusted"


class Proxy(enum.Enum):
    DOWN = "down"
    HEALTHY = "healthy"
    STALE = "stale"
    FOREIGN = "foreign"


class Verb(enum.StrEnum):
    """The commands that change something, each in the forms that lead elsewhere."""

    INSTALL = "install"
    PREPARE = "install --prepare-only"
    SET_UPSTREAM = "set-upstream"
    SET_UPSTREAM_NOW = "set-upstream --restart"
    PREPARE_LOGIN = "prepare-chatgpt-login"
    START = "start"
    AUTOSTART = "autostart"
    STOP = "stop"
    STOP_FORCED = "stop --force"
    UNINSTALL = "uninstall"
    UNINSTALL_DEFERRED = "uninstall --defer-stop"
    UNINSTALL_KEEPING = "uninstall --keep-state"
    RECOVER = "recover"


def classify(
    pointing: Pointing, hook: Hook, proxy: Proxy, *, settings: bool, manifest: ManifestState | None
) -> State:
    """Name the state; total over all 216 combinations."""
    if pointing is Pointing.PROXIED:
        if proxy is Proxy.FOREIGN:
            return State.FOREIGN
        if not settings or manifest is not ManifestState.INSTALLED or hook is Hook.ABSENT:
            return State.DRIFTED
        return {
            Proxy.DOWN: State.ENABLED_DOWN,
            Proxy.STALE: State.ENABLED_PENDING,
            Proxy.HEALTHY: State.ENABLED,
        }[proxy]
    if manifest is ManifestState.INSTALLED:
        return State.DRIFTED
    if manifest is ManifestState.RESTORED:
        return State.RESTORED_DEFERRED
    if settings:
        return State.PREPARED
    return State.RESTORED_DEFERRED if proxy in {Proxy.HEALTHY, Proxy.STALE} else State.ABSENT


def pointing(facts: Facts) -> Pointing:
    """Where the recorded provider leads now; where nothing is recorded, DIRECT unless a proxy of ours is there."""
    if unrecorded(facts) is not None:
        return Pointing.PROXIED
    settings = facts.settings or (facts.manifest.settings if facts.manifest else None)
    if settings is None:
        return Pointing.DIRECT
    if facts.config.doc is None:  # it does not parse: Codex may have read it before, and will when it is mended
        proxied = settings.base_url.encode() in (facts.config.data or b"")
        return Pointing.PROXIED if proxied else Pointing.DIRECT
    url = provider_url(facts.config.doc, settings.provider)
    if url == settings.base_url:
        return Pointing.PROXIED
    return Pointing.DIRECT if url in {settings.upstream_base, None} else Pointing.FOREIGN


def proxy(facts: Facts) -> Proxy:
    """How the worker at the recorded address relates to the saved settings and the installed code."""
    worker = facts.worker
    if worker is None or worker.state is PortState.FREE:
        return Proxy.DOWN
    if worker.state is not PortState.OURS or worker.health is None:
        return Proxy.FOREIGN
    stale = settings_pending(facts) or worker.health.get("runtime_id") != facts.runtime.runtime_id
    return Proxy.STALE if stale else Proxy.HEALTHY


def answering(facts: Facts) -> PortFact | None:
    """The worker of this home that answers: at the recorded address, or anywhere where none is recorded any more."""
    if facts.worker is not None:
        return facts.worker if facts.worker.state is PortState.OURS else None
    at = running(facts)
    return at if at is not None and (at.health or {}).get("ok") else None


def settings_pending(facts: Facts) -> bool:
    """True where a worker of ours serves other settings than the saved ones; 0.1.0's does not tell all."""
    if facts.worker is None or facts.worker.state is not PortState.OURS or facts.settings is None:
        return False
    health, saved = facts.worker.health or {}, facts.settings.to_json()
    return any(health[name] != saved[name] for name in SERVED if name in health)


# The settings that a worker serves, as its health answer names them.
SERVED: Final = (
    "provider",
    "proxy_base",
    "upstream_base",
    "service_tier",
    "service_tier_policy",
    "upstream_api_key_env",
    "upstream_api_key_file",
)


def hook(facts: Facts) -> Hook:
    """Whether a hook of ours is there, and whether Codex will run it."""
    if not facts.hook_entries:
        return Hook.ABSENT
    ready = any(entry.runs for entry in facts.hook_entries)
    return Hook.TRUSTED if ready else Hook.UNTRUSTED


def state_of(facts: Facts) -> State:
    """`classify` for one set of facts."""
    return classify(
        pointing(facts),
        hook(facts),
        proxy(facts),
        settings=facts.settings is not None,
        manifest=facts.manifest.state if facts.manifest else None,
    )


class Refusal(enum.StrEnum):
    """Why a command does nothing in a state; also the result's code."""

    NOT_ENABLED = "not_enabled"
    ALREADY_ENABLED = "already_enabled"
    SETTINGS_MISSING = "settings_missing"
    CONFIG_NOT_PROXY = "config_not_proxy"
    CONFIG_POINTS_TO_PROXY = "config_points_to_proxy"
    PROVIDER_REPOINTED = "provider_repointed"
    PORT_IN_USE = "port_in_use"


_SAME: Final[dict[State, State | Refusal]] = {state: state for state in State}

# What a command leads to in a state: the next state, or a refusal. What the state does not tell is in ALSO.
# fmt: off
OUTCOMES: Final[dict[Verb, dict[State, State | Refusal]]] = {
    Verb.INSTALL: {**dict.fromkeys(State, State.ENABLED), State.FOREIGN: Refusal.PORT_IN_USE},
    Verb.PREPARE: {**_SAME, State.ABSENT: State.PREPARED},
    Verb.SET_UPSTREAM: {
        State.ABSENT:            Refusal.NOT_ENABLED,
        State.PREPARED:          Refusal.NOT_ENABLED,
        State.ENABLED:           State.ENABLED_PENDING,
        State.ENABLED_PENDING:   State.ENABLED_PENDING,
        State.ENABLED_DOWN:      State.ENABLED_DOWN,
        State.DRIFTED:           Refusal.PROVIDER_REPOINTED,
        State.RESTORED_DEFERRED: Refusal.PROVIDER_REPOINTED,
        State.FOREIGN:           State.FOREIGN,
    },
    Verb.SET_UPSTREAM_NOW: {
        State.ABSENT:            Refusal.NOT_ENABLED,
        State.PREPARED:          Refusal.NOT_ENABLED,
        State.ENABLED:           State.ENABLED,
        State.ENABLED_PENDING:   State.ENABLED,
        State.ENABLED_DOWN:      State.ENABLED_DOWN,
        State.DRIFTED:           Refusal.PROVIDER_REPOINTED,
        State.RESTORED_DEFERRED: Refusal.PROVIDER_REPOINTED,
        State.FOREIGN:           State.FOREIGN,
    },
    Verb.PREPARE_LOGIN: _SAME,
    Verb.START: {
        State.ABSENT:            Refusal.SETTINGS_MISSING,
        State.PREPARED:          State.PREPARED,
        State.ENABLED:           State.ENABLED,
        State.ENABLED_PENDING:   State.ENABLED,
        State.ENABLED_DOWN:      State.ENABLED,
        State.DRIFTED:           State.DRIFTED,
        State.RESTORED_DEFERRED: State.RESTORED_DEFERRED,
        State.FOREIGN:           Refusal.PORT_IN_USE,
    },
    Verb.AUTOSTART: {
        State.ABSENT:            Refusal.SETTINGS_MISSING,
        State.PREPARED:          Refusal.CONFIG_NOT_PROXY,
        State.ENABLED:           State.ENABLED,
        State.ENABLED_PENDING:   State.ENABLED,
        State.ENABLED_DOWN:      State.ENABLED,
        State.DRIFTED:           State.DRIFTED,
        State.RESTORED_DEFERRED: Refusal.CONFIG_NOT_PROXY,
        State.FOREIGN:           Refusal.PORT_IN_USE,
    },
    Verb.STOP: {
        **_SAME,
        State.ENABLED:           Refusal.CONFIG_POINTS_TO_PROXY,
        State.ENABLED_PENDING:   Refusal.CONFIG_POINTS_TO_PROXY,
    },
    Verb.STOP_FORCED: {
        **_SAME,
        State.ENABLED:           State.ENABLED_DOWN,
        State.ENABLED_PENDING:   State.ENABLED_DOWN,
    },
    Verb.UNINSTALL: {**dict.fromkeys(State, State.ABSENT)},
    Verb.UNINSTALL_DEFERRED: {
        **dict.fromkeys(State, State.RESTORED_DEFERRED),
        State.ABSENT:            State.ABSENT,
        State.PREPARED:          State.PREPARED,  # Codex was never switched, so nothing waits for a second run
    },
    Verb.UNINSTALL_KEEPING: {**dict.fromkeys(State, State.PREPARED), State.ABSENT: State.ABSENT},
    Verb.RECOVER: _SAME,
}

_UNINSTALLS: Final = (Verb.UNINSTALL, Verb.UNINSTALL_DEFERRED, Verb.UNINSTALL_KEEPING)

# What else a command may lead to in a state, by facts that are finer than the state.
ALSO: Final[dict[tuple[Verb, State], frozenset[State | Refusal]]] = {
    # A hook starts no other worker for newer code alone.
    (Verb.AUTOSTART, State.ENABLED_PENDING): frozenset({State.ENABLED_PENDING}),
    # Drifted: Codex may point at us with the hook or the record gone, or elsewhere.
    (Verb.AUTOSTART, State.DRIFTED): frozenset({Refusal.CONFIG_NOT_PROXY, Refusal.SETTINGS_MISSING}),
    (Verb.START, State.DRIFTED): frozenset({Refusal.SETTINGS_MISSING}),
    (Verb.STOP, State.DRIFTED): frozenset({Refusal.CONFIG_POINTS_TO_PROXY}),
    (Verb.SET_UPSTREAM, State.DRIFTED): frozenset({State.DRIFTED, Refusal.NOT_ENABLED}),
    (Verb.SET_UPSTREAM_NOW, State.DRIFTED): frozenset({State.DRIFTED, Refusal.NOT_ENABLED}),
    **{(verb, State.DRIFTED): frozenset({State.DRIFTED}) for verb in _UNINSTALLS},  # pointed elsewhere by others
    # Nothing was recorded, or no settings that could be kept.
    (Verb.UNINSTALL_DEFERRED, State.DRIFTED): frozenset({State.DRIFTED, State.PREPARED, State.ABSENT}),
    (Verb.UNINSTALL_KEEPING, State.DRIFTED): frozenset({State.DRIFTED, State.ABSENT}),
    (Verb.UNINSTALL_DEFERRED, State.FOREIGN): frozenset({State.PREPARED}),
    (Verb.UNINSTALL_KEEPING, State.FOREIGN): frozenset({State.ABSENT}),
    # Foreign: a worker of ours that hangs is found by its process, and replaced or stopped; a record may be gone.
    (Verb.START, State.FOREIGN): frozenset({State.ENABLED, State.DRIFTED, Refusal.SETTINGS_MISSING}),
    (Verb.AUTOSTART, State.FOREIGN): frozenset({State.ENABLED, State.DRIFTED, Refusal.SETTINGS_MISSING}),
    (Verb.INSTALL, State.FOREIGN): frozenset({State.ENABLED}),
    (Verb.SET_UPSTREAM, State.FOREIGN): frozenset({Refusal.NOT_ENABLED}),
    (Verb.SET_UPSTREAM_NOW, State.FOREIGN): frozenset({State.ENABLED, State.DRIFTED, Refusal.NOT_ENABLED}),
    (Verb.STOP, State.FOREIGN): frozenset({Refusal.CONFIG_POINTS_TO_PROXY}),
    (Verb.STOP_FORCED, State.FOREIGN): frozenset({State.ENABLED_DOWN, State.DRIFTED}),
    # A worker that runs where nothing is recorded any more is all that is left of such an installation.
    (Verb.STOP, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.STOP_FORCED, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.START, State.RESTORED_DEFERRED): frozenset({Refusal.SETTINGS_MISSING}),
    (Verb.AUTOSTART, State.RESTORED_DEFERRED): frozenset({Refusal.SETTINGS_MISSING}),
    (Verb.SET_UPSTREAM, State.RESTORED_DEFERRED): frozenset({Refusal.NOT_ENABLED}),
    (Verb.SET_UPSTREAM_NOW, State.RESTORED_DEFERRED): frozenset({Refusal.NOT_ENABLED}),
    (Verb.UNINSTALL_KEEPING, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.PREPARE, State.RESTORED_DEFERRED): frozenset({State.PREPARED}),
    (Verb.UNINSTALL_DEFERRED, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    # Somebody wrote a text of before an uninstall again, and it points at an address that we had then.
    (Verb.UNINSTALL, State.PREPARED): frozenset({State.DRIFTED}),
    # The settings and the worker that a home has may be the wanted ones already, or none may be running.
    (Verb.SET_UPSTREAM, State.ENABLED): frozenset({State.ENABLED}),
    (Verb.SET_UPSTREAM, State.ENABLED_PENDING): frozenset({State.ENABLED}),
    **{
        (Verb.PREPARE, state): frozenset({Refusal.ALREADY_ENABLED})
        for state in (State.ENABLED, State.ENABLED_PENDING, State.ENABLED_DOWN, State.DRIFTED, State.FOREIGN)
    },
    # Codex points at a proxy of which not all is recorded: the URL before is found in a backup, or in what is left.
    (Verb.RECOVER, State.DRIFTED): frozenset({State.PREPARED, State.RESTORED_DEFERRED, State.ABSENT}),
    (Verb.RECOVER, State.FOREIGN): frozenset({State.PREPARED, State.RESTORED_DEFERRED}),
}
# fmt: on

# Refusals that any state may meet: somebody else at the port, keys and URLs that a route needs, and a lost record.
_KEYS: Final = frozenset({"provider_key_missing", "upstream_key_missing"})
_ROUTE: Final = _KEYS | {"upstream_unknown", "upstream_is_proxy", "proxy_unrecorded", "built_in_with_chatgpt_login"}
REFUSED_ANYWHERE: Final[dict[Verb, frozenset[str]]] = {
    Verb.INSTALL: _ROUTE | {"port_in_use", "worker_did_not_start"},
    Verb.PREPARE: _ROUTE,
    Verb.SET_UPSTREAM: _KEYS,
    Verb.SET_UPSTREAM_NOW: _KEYS | {"worker_did_not_start"},
    Verb.PREPARE_LOGIN: frozenset({"source_key_unknown"}),
    Verb.START: _KEYS | {"port_in_use", "worker_did_not_start"},
    Verb.AUTOSTART: _KEYS | {"port_in_use", "worker_did_not_start"},
    Verb.STOP: frozenset(),
    Verb.STOP_FORCED: frozenset(),
    **dict.fromkeys(
        _UNINSTALLS, frozenset({"proxy_unrecorded", "chatgpt_auth_direct_upstream_uninstall_requires_confirmation"})
    ),
    Verb.RECOVER: frozenset({"proxy_unrecorded"}),
}


def listed(verb: Verb, state: State) -> frozenset[State | Refusal]:
    """All that a command may come to in a state, but for `REFUSED_ANYWHERE`."""
    return ALSO.get((verb, state), frozenset()) | {OUTCOMES[verb][state]}
