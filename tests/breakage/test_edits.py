"""Edits of config.toml by the user while the proxy is enabled, of more than their own keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.uninstall import Retirement, UninstallRequest, plan_uninstall
from cfp.core.state import State
from cfp.errors import Refused
from tests.facts import CONFIG, UPSTREAM, facts, installed, text_fact


def _edited(old: str, new: str) -> Facts:
    """Return an enabled home in whose config the user has replaced `old`."""
    plain = facts()
    home = installed(plain, plan_install(plain, RouteRequest()))
    assert home.config.data is not None
    assert old.encode() in home.config.data
    data = home.config.data.replace(old.encode(), new.encode())
    return replace(home, config=text_fact(data, config_toml.parse))


TABLE = CONFIG.decode().partition("\n\n")[2].replace(UPSTREAM, "http://127.0.0.1:8787/v1")


@pytest.mark.parametrize("force", [False, True])
def test_a_provider_that_was_deleted_does_not_come_back(*, force: bool) -> None:
    """An uninstall leaves no key of ours; a table with a URL alone would make Codex refuse the whole file."""
    undo = plan_uninstall(_edited(TABLE, ""), UninstallRequest(force=force))
    config = next(change.after for change in undo.changes if change.path.name == "config.toml")
    assert {"model": "gpt-5.5", "model_provider": "relay"} == config_toml.parse(config)
    assert (Retirement.NOW, ()) == (undo.retirement, undo.conflicts)


def test_a_provider_that_was_renamed_gets_its_url_back() -> None:
    """An uninstall restores the URL in the renamed table, since the proxy behind it is about to end."""
    undo = plan_uninstall(_edited("relay]", "mine]"), UninstallRequest())
    config = next(change.after for change in undo.changes if change.path.name == "config.toml")
    assert UPSTREAM == config_toml.lookup(config_toml.parse(config), ("model_providers", "mine", "base_url"))
    assert (Retirement.NOW, ()) == (undo.retirement, undo.conflicts)


def test_nothing_is_prepared_beside_what_codex_uses() -> None:
    """Another port in settings.json would leave Codex with a port that has no worker after a reboot."""
    plain = facts()
    home = installed(plain, plan_install(plain, RouteRequest()))
    assert State.PREPARED == plan_install(home, RouteRequest(prepare_only=True)).to_state
    with pytest.raises(Refused) as refused:
        plan_install(home, RouteRequest(prepare_only=True, port=9999))
    assert "already_enabled" == refused.value.code
