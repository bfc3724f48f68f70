"""The installation's state, derived from the facts.

It is never read from a file: a file can be stale, restored from a backup or edited. `classify` is total over its five
inputs; a test enumerates them.
"""

from __future__ import annotations

import enum

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
    settings = facts.recorded_settings
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
    stale = settings_pending(facts) or worker.health.runtime_id != facts.runtime.runtime_id
    return Proxy.STALE if stale else Proxy.HEALTHY


def answering(facts: Facts) -> PortFact | None:
    """The worker of this home that answers: at the recorded address, or anywhere where none is recorded any more."""
    if facts.worker is not None:
        return facts.own_worker
    at = running(facts)
    return at if at is not None and at.health is not None and at.health.ok else None


def settings_pending(facts: Facts) -> bool:
    """True where a worker of ours serves other settings than the saved ones; 0.1.0's does not tell all."""
    worker, settings = facts.own_worker, facts.settings
    if worker is None or worker.health is None or settings is None:
        return False
    return worker.health.differs_from(settings)


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
