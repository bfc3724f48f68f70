"""`install --codex-key-env`: keys of ours by which Codex sends a variable's key itself, given back with the proxy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.codex.auth_json import Login
from cfp.core.facts import Facts
from cfp.core.identities import Identity
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.provider import BUILT_IN
from cfp.core.wire.codex_key import may_set
from cfp.core.wire.identity import codex_identity
from cfp.errors import CfpError, Refused, UsageError
from journal.values import ABSENT
from tests.facts import UPSTREAM, after, facts, installed, worker_of
from tests.strategies import config_texts

NAME = "MY_KEY"
EDIT = b"\n# edited\n"
ON, OFF = RouteRequest(codex_key_env=NAME), RouteRequest(codex_key_env="")
_REQUESTS = {
    "on": ON,
    "off": OFF,
    "another": RouteRequest(codex_key_env="RELAY_KEY"),
    "again": RouteRequest(),
    "the proxy's key": RouteRequest(upstream_api_key_env="RELAY_KEY"),
    "what Codex sends": RouteRequest(clear_upstream_auth=True),
}
_WANTED = {"on": NAME, "off": None, "another": "RELAY_KEY", "the proxy's key": None, "what Codex sends": None}
_STEPS = (*_REQUESTS, "other url", "edit")
LOGIN = f'model_provider = "relay"\n[model_providers.relay]\nname = "R"\nbase_url = "{UPSTREAM}"\n'


def home_with(text: str, **more: Any) -> Facts:
    return facts(text.encode(), environment=frozenset({NAME, "RELAY_KEY"}), **more)


def values(home: Facts, provider: str = "relay") -> tuple[Any, Any]:
    return tuple(  # type: ignore[return-value]  # two names, two values
        config_toml.lookup(home.config.root, ("model_providers", provider, name))
        for name in ("env_key", "requires_openai_auth")
    )


def _step(home: Facts, step: str, provider: str) -> Facts:
    if step == "edit":
        data = (home.config.data or b"") + EDIT
        return replace(home, config=replace(home.config, data=data, doc=config_toml.parse(data)))
    if step == "other url":
        plan = plan_set_upstream(home, RouteRequest(upstream_base="https://other.example/v1"), restart=False)
        return after(home, plan.changes, worker_of(plan.settings))
    return installed(home, plan_install(home, replace(_REQUESTS[step], provider=provider)))


@given(config_texts(), st.lists(st.sampled_from(_STEPS), max_size=6))
def test_every_byte_comes_back(case: tuple[bytes, str], steps: list[str]) -> None:
    """In any order of commands and edits both keys are there while they are wanted, and the user's text survives."""
    text, provider = case
    try:
        home = facts(text, environment=frozenset({NAME, "RELAY_KEY"}))
        home = installed(home, plan_install(home, replace(ON, provider=provider, upstream_base=UPSTREAM)))
    except CfpError:
        assume(False)
    before = values(facts(text), provider)
    wanted: str | None = NAME
    for step in steps:
        wanted = _WANTED.get(step, wanted)
        home = _step(home, step, provider)
        assert ((wanted, True) if wanted else before) == values(home, provider)
    left = after(home, plan_uninstall(home, UninstallRequest()).changes)
    assert before == values(left, provider)
    if {"other url", "edit"}.isdisjoint(steps):
        assert text == left.config.data


@pytest.mark.parametrize("table", ["", "requires_openai_auth = true\n", 'env_key = "OLD"\n'])
def test_codex_then_sends_the_key(table: str) -> None:
    """The plan judges the route as it will be: the key, also with a ChatGPT login, and the proxy passes it on."""
    home = home_with(LOGIN + table, codex_login=Login.CHATGPT)
    plan = plan_install(home, ON)
    assert Identity.PROVIDER_KEY is codex_identity(plan.facts, "relay")
    assert (True, False) == (plan.changed_route, plan.settings.overrides_auth)
    done = installed(home, plan)
    assert Identity.PROVIDER_KEY is codex_identity(done, "relay")
    assert not plan_install(done, RouteRequest()).changed_route


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        (LOGIN + 'experimental_bearer_token = "sk-x"\n', "relay"),
        (LOGIN + '[model_providers.relay.auth]\ncommand = "print"\n', "relay"),
        (LOGIN + '[model_providers.relay.http_headers]\nAuthorization = "Bearer sk-x"\n', "relay"),
        ('openai_base_url = "https://relay.example/v1"\n', BUILT_IN),
    ],
)
def test_another_kind_of_key_is_left_alone(text: str, provider: str) -> None:
    """Codex refuses two keys, or takes the other one: nothing is planned, and no advice names the flag."""
    home = home_with(text)
    with pytest.raises(Refused) as caught:
        plan_install(home, replace(ON, provider=provider))
    assert "codex_key_not_settable" == caught.value.code
    assert not may_set(home.codex_config, provider)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (RouteRequest(codex_key_env="sk-0123456789"), "invalid_env_name"),
        (replace(ON, prepare_only=True), "usage"),
        (replace(ON, use_provider_auth_file=True), "two_auth_sources"),
    ],
)
def test_a_wrong_command_line_is_refused(request_: RouteRequest, code: str) -> None:
    """A key for a name, a flag that would do nothing, two places for one key."""
    with pytest.raises((Refused, UsageError)) as caught:
        plan_install(home_with(LOGIN), request_)
    assert code == caught.value.code


def test_nothing_is_taken_that_was_the_users() -> None:
    """Both keys stand there already: there is nothing to write, and nothing to give back."""
    text = LOGIN + f'env_key = "{NAME}"\nrequires_openai_auth = true\n'
    done = installed(home_with(text), plan_install(home_with(text), ON))
    off = installed(done, plan_install(done, OFF))
    assert (NAME, True) == values(done) == values(off)
    assert ABSENT not in values(off)
