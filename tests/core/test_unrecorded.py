"""config.toml points at a proxy of ours, and nothing is left that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfp.codex.config_toml import lookup
from cfp.core.facts import Facts, PortState
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.provider import BUILT_IN, provider_url
from cfp.core.settings import Settings
from cfp.core.state import State, state_of
from cfp.core.unrecorded import find_unrecorded_proxy
from cfp.errors import ConfigDrift
from tests.facts import CONFIG, UPSTREAM, after, facts, installed

OURS = "http://127.0.0.1:8787/v1"
OTHER = "http://127.0.0.1:11434/v1"


def forgotten() -> Facts:
    """A home that was switched on, and whose state folder and backups are gone; the proxy is dead."""
    on = installed(facts(), plan_install(facts(), RouteRequest()))
    return facts(on.config.data, on.hooks.data)


def test_its_own_url_is_never_the_upstream() -> None:
    """Not at the same port, and not at another one, where the old URL would lead nowhere."""
    home = forgotten()
    assert State.DRIFTED is state_of(home)
    for request in (RouteRequest(), RouteRequest(port=9999), RouteRequest(prepare_only=True)):
        with pytest.raises(ConfigDrift, match="proxy_unrecorded"):
            plan_install(home, request)


def test_the_url_that_the_user_tells_is_given_back() -> None:
    """It becomes the baseline as well as the upstream, and nothing of the old trust stays behind."""
    home = forgotten()
    on = installed(home, plan_install(home, RouteRequest(upstream_base=UPSTREAM)))
    assert (UPSTREAM, OURS) == (on.settings.upstream_base, provider_url(on.config.doc, "relay"))
    off = after(on, plan_uninstall(on, UninstallRequest()).changes)
    assert UPSTREAM == provider_url(off.config.doc, "relay")
    assert "hooks" not in off.config.doc
    assert None is off.hooks.data
    assert None is find_unrecorded_proxy(off)


def test_a_url_is_taken_for_the_provider_only_that_was_named() -> None:
    """The URL for another provider is not that of the unrecorded one."""
    with pytest.raises(ConfigDrift, match="proxy_unrecorded"):
        plan_install(forgotten(), RouteRequest(provider=BUILT_IN, upstream_base=UPSTREAM))


def test_a_backup_knows_better_than_the_command_line() -> None:
    """The new upstream is what was asked for; what comes back is the user's own, letter by letter."""
    home = replace(forgotten(), backup_contents=(("/b/config.toml.1.bak", CONFIG),))
    on = installed(home, plan_install(home, RouteRequest(upstream_base="https://other.example/v1")))
    assert "https://other.example/v1" == on.settings.upstream_base
    off = after(on, plan_uninstall(on, UninstallRequest()).changes)
    assert CONFIG == off.config.data


@pytest.mark.parametrize("state", list(PortState))
def test_a_model_server_of_the_users_own_is_not_ours(state: PortState) -> None:
    """Another port, no hook of ours: whoever serves there, or does not just now, that is the upstream."""
    text = CONFIG.replace(UPSTREAM.encode(), OTHER.encode())
    home = facts(text)
    home = replace(home, candidate=replace(home.candidate, state=state))
    assert None is find_unrecorded_proxy(home)
    if state is PortState.FREE:
        assert OTHER == plan_install(home, RouteRequest()).settings.upstream_base


def test_nobody_is_sent_to_the_port_that_is_asked_for() -> None:
    """A dead URL at that very port would be its own upstream, be it ours or not."""
    text = CONFIG.replace(UPSTREAM.encode(), OTHER.encode())
    home = facts(text)
    home = replace(home, candidate=replace(home.candidate, port=11434))
    with pytest.raises(ConfigDrift, match="proxy_unrecorded"):
        plan_install(home, RouteRequest(port=11434))
    on = installed(home, plan_install(home, RouteRequest(port=11434, upstream_base=UPSTREAM)))
    off = after(on, plan_uninstall(on, UninstallRequest()).changes)
    assert UPSTREAM == lookup(off.config.doc, ("model_providers", "relay", "base_url"))


def test_saved_settings_tell_the_url() -> None:
    """A manifest that is gone alone is no riddle."""
    home = replace(forgotten(), settings=Settings(provider="relay", upstream_base=UPSTREAM))
    on = installed(home, plan_install(home, RouteRequest()))
    off = after(on, plan_uninstall(on, UninstallRequest()).changes)
    assert UPSTREAM == provider_url(off.config.doc, "relay")
