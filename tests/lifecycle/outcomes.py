"""The transitions that each command may make from each state: the oracle of the lifecycle tests.

`OUTCOMES` is total over commands and states, and docs/architecture.md shows it as a table. `ALSO` lists the outcomes
that depend on facts finer than the state, `REFUSED_ANYWHERE` the refusals that are possible in every state.
"""

from __future__ import annotations

import enum
from typing import Final

from cfp.core.state import State
from tests.homes.site import CommandAnswer


class Verb(enum.StrEnum):
    """The commands that change something; forms with other outcomes are members of their own."""

    INSTALL = "install"
    PREPARE = "install --prepare-only"
    SET_UPSTREAM = "set-upstream"
    SET_UPSTREAM_NOW = "set-upstream --restart"
    FAST = "fast add"
    FAST_NOW = "fast add --restart"
    UPSTREAM_ADD = "upstream add"
    UPSTREAM_USE = "upstream use"
    PREPARE_LOGIN = "prepare-chatgpt-login"
    START = "start"
    AUTOSTART = "autostart"
    STOP = "stop"
    STOP_FORCED = "stop --force"
    UNINSTALL = "uninstall"
    UNINSTALL_DEFERRED = "uninstall --defer-stop"
    UNINSTALL_KEEPING = "uninstall --keep-state"
    RECOVER = "recover"


class Refusal(enum.StrEnum):
    """Codes of the refusals that depend on the state."""

    NOT_ENABLED = "not_enabled"
    ALREADY_ENABLED = "already_enabled"
    SETTINGS_MISSING = "settings_missing"
    CONFIG_NOT_PROXY = "config_not_proxy"
    CONFIG_POINTS_TO_PROXY = "config_points_to_proxy"
    PROVIDER_REPOINTED = "provider_repointed"
    PORT_IN_USE = "port_in_use"
    NO_SUCH_UPSTREAM = "no_such_upstream"


_SAME: Final[dict[State, State | Refusal]] = {state: state for state in State}

# fmt: off
# A change of settings: for a later start, and for the running worker at once.
_LATER: Final[dict[State, State | Refusal]] = {
    State.ABSENT:            Refusal.NOT_ENABLED,
    State.PREPARED:          Refusal.NOT_ENABLED,
    State.ENABLED:           State.ENABLED_PENDING,
    State.ENABLED_PENDING:   State.ENABLED_PENDING,
    State.ENABLED_DOWN:      State.ENABLED_DOWN,
    State.DRIFTED:           Refusal.PROVIDER_REPOINTED,
    State.RESTORED_DEFERRED: Refusal.PROVIDER_REPOINTED,
    State.FOREIGN:           State.FOREIGN,
}
_AT_ONCE: Final[dict[State, State | Refusal]] = {
    State.ABSENT:            Refusal.NOT_ENABLED,
    State.PREPARED:          Refusal.NOT_ENABLED,
    State.ENABLED:           State.ENABLED,
    State.ENABLED_PENDING:   State.ENABLED,
    State.ENABLED_DOWN:      State.ENABLED_DOWN,
    State.DRIFTED:           Refusal.PROVIDER_REPOINTED,
    State.RESTORED_DEFERRED: Refusal.PROVIDER_REPOINTED,
    State.FOREIGN:           State.FOREIGN,
}

# The next state, or the refusal. Outcomes that depend on finer facts are in ALSO.
OUTCOMES: Final[dict[Verb, dict[State, State | Refusal]]] = {
    Verb.INSTALL: {**dict.fromkeys(State, State.ENABLED), State.FOREIGN: Refusal.PORT_IN_USE},
    Verb.PREPARE: {**_SAME, State.ABSENT: State.PREPARED},
    Verb.SET_UPSTREAM: _LATER,
    Verb.SET_UPSTREAM_NOW: _AT_ONCE,
    Verb.FAST: _LATER,
    Verb.FAST_NOW: _AT_ONCE,
    Verb.UPSTREAM_ADD: {**_LATER, State.ENABLED: State.ENABLED},
    Verb.UPSTREAM_USE: {
        **_AT_ONCE,
        **dict.fromkeys((State.ABSENT, State.PREPARED, State.RESTORED_DEFERRED), Refusal.NO_SUCH_UPSTREAM),
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

_LATER_VERBS: Final = (Verb.SET_UPSTREAM, Verb.FAST, Verb.UPSTREAM_ADD)
_AT_ONCE_VERBS: Final = (Verb.SET_UPSTREAM_NOW, Verb.FAST_NOW, Verb.UPSTREAM_USE)
_CHANGES: Final = (*_LATER_VERBS, *_AT_ONCE_VERBS)
_UNINSTALLS: Final = (Verb.UNINSTALL, Verb.UNINSTALL_DEFERRED, Verb.UNINSTALL_KEEPING)

# Further outcomes, by facts that are finer than the state.
ALSO: Final[dict[tuple[Verb, State], frozenset[State | Refusal]]] = {
    # A hook starts no other worker for newer code alone.
    (Verb.AUTOSTART, State.ENABLED_PENDING): frozenset({State.ENABLED_PENDING}),
    # Drifted: Codex may point at us with the hook or the record gone, or elsewhere.
    (Verb.AUTOSTART, State.DRIFTED): frozenset({Refusal.CONFIG_NOT_PROXY, Refusal.SETTINGS_MISSING}),
    (Verb.START, State.DRIFTED): frozenset({Refusal.SETTINGS_MISSING}),
    (Verb.STOP, State.DRIFTED): frozenset({Refusal.CONFIG_POINTS_TO_PROXY}),
    **{(verb, State.DRIFTED): frozenset({State.DRIFTED, Refusal.NOT_ENABLED}) for verb in _CHANGES},
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
    **{(verb, State.FOREIGN): frozenset({Refusal.NOT_ENABLED}) for verb in _LATER_VERBS},
    **{
        (verb, State.FOREIGN): frozenset({State.ENABLED, State.DRIFTED, Refusal.NOT_ENABLED})
        for verb in _AT_ONCE_VERBS
    },
    (Verb.STOP, State.FOREIGN): frozenset({Refusal.CONFIG_POINTS_TO_PROXY}),
    (Verb.STOP_FORCED, State.FOREIGN): frozenset({State.ENABLED_DOWN, State.DRIFTED}),
    # A worker that runs where nothing is recorded any more is all that is left of such an installation.
    (Verb.STOP, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.STOP_FORCED, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.START, State.RESTORED_DEFERRED): frozenset({Refusal.SETTINGS_MISSING}),
    (Verb.AUTOSTART, State.RESTORED_DEFERRED): frozenset({Refusal.SETTINGS_MISSING}),
    **{(verb, State.RESTORED_DEFERRED): frozenset({Refusal.NOT_ENABLED}) for verb in _CHANGES},
    # A saved upstream outlives the settings.
    **{
        (Verb.UPSTREAM_USE, state): frozenset({OUTCOMES[Verb.SET_UPSTREAM_NOW][state], Refusal.NOT_ENABLED})
        for state in (State.ABSENT, State.PREPARED, State.RESTORED_DEFERRED)
    },
    (Verb.UNINSTALL_KEEPING, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    (Verb.PREPARE, State.RESTORED_DEFERRED): frozenset({State.PREPARED}),
    (Verb.UNINSTALL_DEFERRED, State.RESTORED_DEFERRED): frozenset({State.ABSENT}),
    # Somebody wrote a text of before an uninstall again, and it points at an address that we had then.
    (Verb.UNINSTALL, State.PREPARED): frozenset({State.DRIFTED}),
    # The settings and the worker that a home has may be the wanted ones already, or none may be running.
    **{(verb, State.ENABLED): frozenset({State.ENABLED}) for verb in (Verb.SET_UPSTREAM, Verb.FAST)},
    **{(verb, State.ENABLED_PENDING): frozenset({State.ENABLED}) for verb in (Verb.SET_UPSTREAM, Verb.FAST)},
    **{
        (Verb.PREPARE, state): frozenset({Refusal.ALREADY_ENABLED})
        for state in (State.ENABLED, State.ENABLED_PENDING, State.ENABLED_DOWN, State.DRIFTED, State.FOREIGN)
    },
    # Codex points at a proxy of which not all is recorded: the URL before is found in a backup, or in what is left.
    (Verb.RECOVER, State.DRIFTED): frozenset({State.PREPARED, State.RESTORED_DEFERRED, State.ABSENT}),
    (Verb.RECOVER, State.FOREIGN): frozenset({State.PREPARED, State.RESTORED_DEFERRED}),
}
# fmt: on

# Refusals that are possible in every state: another program at the port, a missing key or URL, a lost record.
_KEYS: Final = frozenset({"provider_key_missing", "upstream_key_missing"})
_ROUTE: Final = _KEYS | {
    *("upstream_unknown", "upstream_is_proxy", "proxy_unrecorded", "built_in_with_chatgpt_login"),
    *("former_address_taken", "saved_key_for_other_url"),
}
REFUSED_ANYWHERE: Final[dict[Verb, frozenset[str]]] = {
    Verb.INSTALL: _ROUTE | {"port_in_use", "worker_did_not_start"},
    Verb.PREPARE: _ROUTE,
    Verb.SET_UPSTREAM: _KEYS,
    Verb.SET_UPSTREAM_NOW: _KEYS | {"worker_did_not_start"},
    Verb.FAST: _KEYS,
    Verb.FAST_NOW: _KEYS | {"worker_did_not_start"},
    Verb.UPSTREAM_ADD: _KEYS | {"upstream_active"},
    Verb.UPSTREAM_USE: _KEYS | {"worker_did_not_start", Refusal.NO_SUCH_UPSTREAM},
    Verb.PREPARE_LOGIN: frozenset({"source_key_unknown", "provider_repointed"}),
    Verb.START: _KEYS | {"port_in_use", "worker_did_not_start"},
    Verb.AUTOSTART: _KEYS | {"port_in_use", "worker_did_not_start"},
    Verb.STOP: frozenset(),
    Verb.STOP_FORCED: frozenset(),
    **dict.fromkeys(
        _UNINSTALLS, frozenset({"proxy_unrecorded", "chatgpt_auth_direct_upstream_uninstall_requires_confirmation"})
    ),
    Verb.RECOVER: frozenset({"proxy_unrecorded"}),
}


def is_listed(verb: Verb, before: State, after: State, answer: CommandAnswer) -> bool:
    """Whether a command's transition, or its refusal, is one of those that its state allows."""
    outcomes = ALSO.get((verb, before), frozenset()) | {OUTCOMES[verb][before]}
    refusal = answer.refusal or (str(answer.json["reason"]) if answer.status == "skipped" else "")
    if refusal:
        return refusal in outcomes or refusal in REFUSED_ANYWHERE[verb]
    return after in {outcome for outcome in outcomes if isinstance(outcome, State)}
