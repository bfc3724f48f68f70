"""The installation's state, derived from what is there; and what each command does in each state.

The state is never read from a file: a file can be stale, restored from a backup or edited. `classify` is total
over its five inputs, and `OUTCOMES` is total over states and commands; tests enumerate both.
"""

from __future__ import annotations

import enum
from typing import Final

from cfp.core.facts import Facts, PortState
from cfp.core.manifest import ManifestState
from cfp.core.provider import provider_url


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
    """The commands that change something."""

    INSTALL = "install"
    SET_UPSTREAM = "set-upstream"
    START = "start"
    STOP = "stop"
    AUTOSTART = "autostart"
    UNINSTALL = "uninstall"
    UNINSTALL_DEFERRED = "uninstall --defer-stop"


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
    """Where the recorded provider leads now; DIRECT where nothing is recorded."""
    settings = facts.settings or (facts.manifest.settings if facts.manifest else None)
    if settings is None or facts.config.doc is None:
        return Pointing.DIRECT
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


def settings_pending(facts: Facts) -> bool:
    """True where a worker of ours serves other settings than the saved ones."""
    if facts.worker is None or facts.worker.state is not PortState.OURS or facts.settings is None:
        return False
    health, saved = facts.worker.health or {}, facts.settings.to_json()
    return any(health.get(name) != saved[name] for name in SERVED)


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
    SETTINGS_MISSING = "settings_missing"
    CONFIG_NOT_PROXY = "config_not_proxy"
    CONFIG_POINTS_TO_PROXY = "config_points_to_proxy"
    PORT_IN_USE = "port_in_use"


# What a command leads to in a state: the next state, or a refusal. `stop` with --force is allowed everywhere.
# fmt: off
OUTCOMES: Final[dict[Verb, dict[State, State | Refusal]]] = {
    Verb.INSTALL: {**dict.fromkeys(State, State.ENABLED), State.FOREIGN: Refusal.PORT_IN_USE},
    Verb.SET_UPSTREAM: {
        State.ABSENT:            Refusal.NOT_ENABLED,
        State.PREPARED:          Refusal.NOT_ENABLED,
        State.ENABLED:           State.ENABLED_PENDING,
        State.ENABLED_PENDING:   State.ENABLED_PENDING,
        State.ENABLED_DOWN:      State.ENABLED_DOWN,
        State.DRIFTED:           Refusal.CONFIG_NOT_PROXY,
        State.RESTORED_DEFERRED: Refusal.NOT_ENABLED,
        State.FOREIGN:           State.FOREIGN,
    },
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
    Verb.STOP: {
        State.ABSENT:            State.ABSENT,
        State.PREPARED:          State.PREPARED,
        State.ENABLED:           Refusal.CONFIG_POINTS_TO_PROXY,
        State.ENABLED_PENDING:   Refusal.CONFIG_POINTS_TO_PROXY,
        State.ENABLED_DOWN:      State.ENABLED_DOWN,
        State.DRIFTED:           State.DRIFTED,
        State.RESTORED_DEFERRED: State.RESTORED_DEFERRED,
        State.FOREIGN:           State.FOREIGN,
    },
    Verb.AUTOSTART: {
        State.ABSENT:            Refusal.SETTINGS_MISSING,
        State.PREPARED:          Refusal.CONFIG_NOT_PROXY,
        State.ENABLED:           State.ENABLED,
        State.ENABLED_PENDING:   State.ENABLED,
        State.ENABLED_DOWN:      State.ENABLED,
        State.DRIFTED:           State.DRIFTED,  # where config points at the proxy, else skipped
        State.RESTORED_DEFERRED: Refusal.CONFIG_NOT_PROXY,
        State.FOREIGN:           Refusal.PORT_IN_USE,
    },
    Verb.UNINSTALL: {**dict.fromkeys(State, State.ABSENT)},
    Verb.UNINSTALL_DEFERRED: {**dict.fromkeys(State, State.RESTORED_DEFERRED), State.ABSENT: State.ABSENT},
}
# fmt: on
