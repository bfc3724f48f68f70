"""The turn that Codex sent, beside the prediction."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from cfp.codex.auth_json import Login
from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.codex_turn import codex_turn, predicted_turn
from cfp.core.checks.turn import SentTurn, identities
from cfp.core.identities import Identity, identity_of_login
from cfp.errors import Failed
from tests.core.test_checks import enabled
from tests.facts import facts

MACHINE = DoctorFacts(python="3.11.0")
HOME = enabled()
SENT = SentTurn(
    identities=frozenset({Identity.PROVIDER_KEY}),
    account_id=False,
    service_tier=None,
    transport="http",
    hook_run=True,
)


def code(sent: SentTurn | None, home: Any = HOME, **more: Any) -> tuple[bool, str]:
    result = codex_turn(home, replace(MACHINE, turn=sent, **more))
    return result.ok, result.code


def test_nobody_asked() -> None:
    """Without --probe, the check has nothing to say against the home."""
    assert (True, "ok") == code(None)


@pytest.mark.parametrize(
    "other",
    [
        {"identities": frozenset({Identity.CHATGPT_LOGIN})},
        {"account_id": True},
        {"service_tier": "priority"},
        {"transport": "websocket"},
        {"hook_run": False},
    ],
    ids=lambda other: next(iter(other)),
)
def test_each_member_counts(other: dict[str, Any]) -> None:
    """The very turn that is predicted is well; one that differs in a member is not, and names it."""
    assert (True, "ok") == code(SENT)
    sent = replace(SENT, **other)
    result = codex_turn(HOME, replace(MACHINE, turn=sent))
    name = {"identities": "identity"}.get(next(iter(other)), next(iter(other)))
    assert (False, "turn_differs") == (result.ok, result.code)
    assert name in result.detail


def test_what_the_home_does_not_tell_is_not_predicted() -> None:
    """A tier of a model whose catalogue entry was not read, and an identity that is not established."""
    config = HOME.config.data.replace(b"model_provider", b'service_tier = "fast"\nmodel_provider', 1)
    home = replace(HOME, config=facts(config).config)
    assert "service_tier" not in predicted_turn(home, MACHINE)
    assert "priority" == predicted_turn(home, replace(MACHINE, model_tiers=("priority",)))["service_tier"]
    assert predicted_turn(home, replace(MACHINE, model_tiers=()))["service_tier"] is None


def test_a_turn_that_was_not_sent() -> None:
    """The reason for which Codex sent none is the finding."""
    assert (False, "codex_sent_no_turn") == code(None, turn_error=Failed("codex_sent_no_turn", words="no"))


@pytest.mark.parametrize(
    ("has_key", "account", "same", "login"), list(itertools.product(*[(True, False)] * 3, Login))
)
def test_headers_stand_for_an_identity(has_key: bool, account: bool, same: bool, login: Login) -> None:  # noqa: FBT001 - the columns of a table
    """An account id is a login's and never a key's; no header, nobody; a login that is known is that one."""
    kinds = identities(has_key=has_key, account_id=account, is_key_of_auth_json=same, login=login)
    assert kinds
    assert (Identity.NONE in kinds) == (not has_key)
    if has_key:
        assert {kind.may_be_a_login for kind in kinds} == {account}
    if has_key and account and login in {Login.CHATGPT, Login.PERSONAL_ACCESS_TOKEN, Login.AGENT_IDENTITY}:
        assert {identity_of_login(login)} == kinds
