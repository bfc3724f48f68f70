"""The installation's state, derived from the facts.

It is never read from a file: a file can be stale, restored from a backup or edited. `classify` is total over its five
inputs; a test enumerates them.
"""

from __future__ import annotations

import enum

from cfp.codex.hooks_document import is_isolated
from cfp.core.facts import Facts, PortState
from cfp.core.manifest import ManifestState
from cfp.core.provider import is_same_url, provider_url
from cfp.core.unrecorded import find_unrecorded_proxy


class State(enum.StrEnum):
    """The state of an installation; a closed set of the results."""

    ABSENT = "absent"
    PREPARED = "prepared"  # settings or key saved, config.toml points at the provider
    ENABLED = "enabled"
    ENABLED_PENDING = "enabled_pending"  # the worker serves older settings or runs older code
    ENABLED_DOWN = "enabled_down"  # config.toml points at the proxy, no worker runs
    DRIFTED = "drifted"  # the manifest says installed, config.toml or hook differ
    RESTORED_DEFERRED = "restored_deferred"  # files given back, worker and state still there
    FOREIGN = "foreign"  # config.toml points at our address, and another program answers there


class ConfiguredUrl(enum.Enum):
    """The URL of the recorded provider in config.toml."""

    DIRECT = "direct"  # the provider's own, or none
    PROXIED = "proxied"  # the proxy's
    FOREIGN = "foreign"  # another one


class HookState(enum.Enum):
    """The state of our SessionStart hook."""

    ABSENT = "absent"
    UNTRUSTED = "untrusted"  # Codex will not run it
    TRUSTED = "trusted"


class WorkerState(enum.Enum):
    """The state of the worker at the saved address."""

    DOWN = "down"
    HEALTHY = "healthy"
    STALE = "stale"  # it serves older settings or runs older code
    FOREIGN = "foreign"  # another program answers, or nothing does


def classify(
    url: ConfiguredUrl, hook: HookState, worker: WorkerState, *, settings: bool, manifest: ManifestState | None
) -> State:
    """Return the state; total over all 216 combinations. `settings`: whether any are saved."""
    if url is ConfiguredUrl.PROXIED:
        if worker is WorkerState.FOREIGN:
            return State.FOREIGN
        if not settings or manifest is not ManifestState.INSTALLED or hook is HookState.ABSENT:
            return State.DRIFTED
        return {
            WorkerState.DOWN: State.ENABLED_DOWN,
            WorkerState.STALE: State.ENABLED_PENDING,
            WorkerState.HEALTHY: State.ENABLED,
        }[worker]
    if manifest is ManifestState.INSTALLED:
        return State.DRIFTED
    if manifest is ManifestState.RESTORED:
        return State.RESTORED_DEFERRED
    if settings:
        return State.PREPARED
    return State.RESTORED_DEFERRED if worker in {WorkerState.HEALTHY, WorkerState.STALE} else State.ABSENT


def state_of(facts: Facts) -> State:
    """Return the state of a home."""
    return classify(
        configured_url(facts),
        hook_state(facts),
        worker_state(facts),
        settings=facts.settings is not None,
        manifest=facts.manifest.state if facts.manifest else None,
    )


def configured_url(facts: Facts) -> ConfiguredUrl:
    """Compare config.toml's URL with the recorded ones; without a record it is DIRECT or that of a proxy of ours."""
    if find_unrecorded_proxy(facts) is not None:
        return ConfiguredUrl.PROXIED
    settings = facts.recorded_settings
    if settings is None:
        return ConfiguredUrl.DIRECT
    if facts.config.in_use:  # Codex has read it, and nothing says that it leads elsewhere now
        return ConfiguredUrl.PROXIED
    if facts.config.doc is None:  # not TOML now: Codex may have read it before, and will once it is repaired
        is_in_text = settings.base_url.encode() in (facts.config.data or b"")
        return ConfiguredUrl.PROXIED if is_in_text else ConfiguredUrl.DIRECT
    url = provider_url(facts.config.doc, settings.provider)
    if url == settings.base_url:
        return ConfiguredUrl.PROXIED
    is_direct = url is None or is_same_url(url, settings.upstream_base)
    return ConfiguredUrl.DIRECT if is_direct else ConfiguredUrl.FOREIGN


def uses_proxy(facts: Facts) -> bool:
    """Whether config.toml sends Codex to the proxy."""
    return configured_url(facts) is ConfiguredUrl.PROXIED


def is_enabled(facts: Facts) -> bool:
    """Whether the home has an installation, in whatever state: its record says so, or config.toml does."""
    return facts.is_installed or uses_proxy(facts)


def hook_state(facts: Facts) -> HookState:
    """Return the state of our hook: trusted where Codex will run one of its entries."""
    if not facts.hook_entries:
        return HookState.ABSENT
    return HookState.TRUSTED if any(entry.runs for entry in facts.hook_entries) else HookState.UNTRUSTED


def hooks_isolated(facts: Facts) -> bool:
    """Whether each hook of ours has the flags that keep the caller's PYTHON* variables out."""
    return all(is_isolated(entry.position.command) for entry in facts.hook_entries)


def worker_state(facts: Facts) -> WorkerState:
    """Compare the worker at the saved address with the saved settings and the installed code."""
    worker = facts.worker
    if worker is None or worker.state is PortState.FREE:
        return WorkerState.DOWN
    if worker.state is not PortState.OURS or worker.health is None:
        return WorkerState.FOREIGN
    stale = settings_pending(facts) or worker.health.runtime_id != facts.runtime.runtime_id
    return WorkerState.STALE if stale else WorkerState.HEALTHY


def settings_pending(facts: Facts) -> bool:
    """Whether the worker reports a setting that differs from the saved one; 0.1.0's does not report all of them."""
    worker, settings = facts.own_worker, facts.settings
    if worker is None or worker.health is None or settings is None:
        return False
    return worker.health.differs_from(settings)
