"""`install --catalogue`: a key of ours where the user has none, that goes with the proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.model_catalog import catalog_key, catalogue_at, is_proxied
from cfp.core.plan.repair import plan_repair
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.provider import BUILT_IN
from cfp.errors import CfpError
from journal.values import ABSENT
from tests.facts import CONFIG, UPSTREAM, after, facts, installed, worker_of
from tests.strategies import config_texts

OURS = "http://127.0.0.1:8787/__codex_fast_proxy/models"
THEIRS = "https://relay.example/catalog.json"
EDIT = b"\n# edited\n"
ON, OFF = RouteRequest(catalogue=True), RouteRequest(catalogue=False)
_REQUESTS = {
    "on": ON,
    "off": OFF,
    "again": RouteRequest(),
    "split": RouteRequest(upstream_api_key_env="RELAY_KEY"),
    "another port": RouteRequest(port=8899),
}
_STEPS = (*_REQUESTS, "other url", "first url", "edit")


def catalog_of(home: Facts, provider: str = "relay") -> Any:
    return config_toml.lookup(home.config.root, catalog_key(provider))


def with_upstream(home: Facts, url: str) -> Facts:
    plan = plan_set_upstream(home, RouteRequest(upstream_base=url), restart=False)
    return after(home, plan.changes, worker_of(plan.settings))


def edited(home: Facts, data: bytes) -> Facts:
    """The home after its user wrote config.toml."""
    return replace(home, config=replace(home.config, data=data, doc=config_toml.parse(data)))


def uninstalled(home: Facts) -> bytes | None:
    return after(home, plan_uninstall(home, UninstallRequest()).changes).config.data


def _step(home: Facts, step: str, provider: str) -> Facts:
    if step == "edit":
        return edited(home, (home.config.data or b"") + EDIT)
    if step.endswith("url"):
        return with_upstream(home, UPSTREAM if step == "first url" else "https://other.example/v1")
    return installed(home, plan_install(home, replace(_REQUESTS[step], provider=provider)))


@given(config_texts(), st.lists(st.sampled_from(_STEPS), max_size=6))
def test_every_byte_comes_back(case: tuple[bytes, str], steps: list[str]) -> None:
    """In any order of commands and edits the key is there while the setting is on, and the user's text survives."""
    text, provider = case
    environment = frozenset({"RELAY_KEY"})
    try:
        home = facts(text, environment=environment)
        home = installed(home, plan_install(home, replace(ON, provider=provider, upstream_base=UPSTREAM)))
    except CfpError:
        assume(False)
    assume("model_catalog_url" not in str(config_toml.parse(text)))
    wanted = True
    for step in steps:
        wanted = {"on": True, "off": False}.get(step, wanted)
        home = _step(home, step, provider)
        settings = home.settings
        assert settings is not None
        assert settings.catalogue is wanted
        has_key = wanted and provider != BUILT_IN
        assert (catalogue_at(settings.base_url) if has_key else ABSENT) == catalog_of(home, provider)
    left = uninstalled(home)
    assert "model_catalog_url" not in str(config_toml.parse(left))
    if {"other url", "first url", "edit"}.isdisjoint(steps):
        assert text == left


def test_the_key_is_at_the_proxy() -> None:
    """It counts as one that leads through the proxy, and a plan names it."""
    home = installed(facts(CONFIG), plan_install(facts(CONFIG), ON))
    assert home.settings is not None
    assert OURS == catalog_of(home)
    assert is_proxied(OURS, home.settings)
    assert not is_proxied(OURS + "/x", home.settings)


@pytest.mark.parametrize("lost", ["manifest", "manifest and settings"])
def test_lost_records_leave_none_of_it(lost: str) -> None:
    """A key at an address of ours is recognized by its path, and was not there before."""
    home = installed(facts(CONFIG), plan_install(facts(CONFIG), ON))
    path = str(home.layout.backups / home.backups[0])
    home = replace(home, manifest=None, manifest_data=None)
    if lost == "manifest":
        left = uninstalled(home)
    else:
        assert home.backup is not None
        repair = plan_repair(replace(home, settings=None, settings_data=None, backup_contents=((path, home.backup),)))
        assert repair is not None
        left = repair.config
    assert config_toml.parse(CONFIG)["model_providers"] == config_toml.parse(left)["model_providers"]


def test_a_copied_table_loses_it_too() -> None:
    """The user copied the provider's table: the copy would lead to a proxy that is not there."""
    home = installed(facts(CONFIG), plan_install(facts(CONFIG), ON))
    urls = f'base_url = "http://127.0.0.1:8787/v1"\nmodel_catalog_url = "{OURS}"\n'
    table = f'\n[model_providers.copy]\nname = "Copy"\n{urls}'.encode()
    left = config_toml.parse(uninstalled(edited(home, (home.config.data or b"") + table)))
    assert {"name": "Copy", "base_url": UPSTREAM} == left["model_providers"]["copy"]


def test_a_key_that_the_user_changed_is_theirs() -> None:
    """An uninstall leaves the user's value, and set-upstream does not take it for ours."""
    home = installed(facts(CONFIG), plan_install(facts(CONFIG), ON))
    home = edited(home, (home.config.data or b"").replace(OURS.encode(), THEIRS.encode()))
    assert THEIRS == catalog_of(with_upstream(home, "https://other.example/v1"))
    assert THEIRS in str(uninstalled(home))


@pytest.mark.parametrize(
    ("text", "provider", "version", "code"),
    [
        (CONFIG, "relay", (0, 171, 0), "catalogue_needs_the_proxy"),
        (CONFIG, "relay", None, "catalogue_needs_the_proxy"),
        (CONFIG, "relay", (0, 169, 0), "catalogue_needs_the_proxy"),
        (CONFIG, "relay", (0, 150, 0), "catalogue_not_read"),
        (
            CONFIG.replace(b'env_key = "', f'model_catalog_url = "{THEIRS}"\nenv_key = "'.encode()),
            "relay",
            (0, 171, 0),
            "catalogue_is_yours",
        ),
        (b'openai_base_url = "https://relay.example/v1"\n', BUILT_IN, (0, 171, 0), "catalogue_of_openai"),
    ],
)
def test_the_user_is_warned(text: bytes, provider: str, version: tuple[int, ...] | None, code: str) -> None:
    """Of the price, or of the reason why the setting has no effect; without the setting, of nothing."""
    home = replace(facts(text), codex_version=version)
    plan = plan_install(home, replace(ON, provider=provider))
    assert [code] == [one.code for one in plan.route_warnings if one.code.startswith("catalogue")]
    own = catalog_of(installed(home, plan), provider)
    assert (own == OURS) is (code in {"catalogue_needs_the_proxy", "catalogue_not_read"})
    silent = plan_install(home, replace(OFF, provider=provider))
    assert [] == [one.code for one in silent.route_warnings if one.code.startswith("catalogue")]
