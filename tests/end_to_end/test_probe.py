"""`doctor --probe`: the turn that the real Codex sends is the one that we predict, and nobody but us receives it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cfp.commands.probing import sent_turn
from cfp.core.identities import Identity
from cfp.errors import Failed
from cfp.host.home import Host
from tests.end_to_end.harness import (
    Machine,
    Ran,
    api_key_login,
    built_in_config,
    chatgpt_login,
    login_config,
    relay_config,
)
from tests.end_to_end.test_identities import AUTHS, Bench, signed_in
from tests.real_codex import FLEX, Version, at

__all__ = ["signed_in"]  # the fixture

# The tiers of config.toml, and those on the wire with a model that has the tier `priority`.
TIERS = {"": None, "fast": "priority", "priority": "priority", "default": None, "flex": "flex"}


def _probe(machine: Machine) -> tuple[Ran, dict[str, Any]]:
    ran = machine.cfp("doctor", "--probe")
    return ran, next(check for check in ran.json["checks"] if check["name"] == "codex_turn")


def test_it_agrees_with_the_table(signed_in: Bench, codex: Machine) -> None:
    """A login beside each key of the provider: what Codex sends us is what the table of identities says."""
    for auth in AUTHS:
        signed_in.configure(auth, True, codex.upstream.base_url, 0)
        expected = signed_in.prediction()
        host = Host.find(str(codex.home), codex.environment(), sys.executable)
        if expected is Identity.CODEX_REFUSES or signed_in.is_foreign:
            with pytest.raises(Failed, match="codex_sent_no_turn"):
                sent_turn(host, host.survey(), None)
        else:
            turn = sent_turn(host, host.survey(), None)
            assert (True, expected.may_be_a_login) == (expected in turn.identities, turn.account_id), (auth, turn)
    assert () == codex.upstream.received


@pytest.mark.parametrize(
    "tier",
    [
        pytest.param(tier, marks=pytest.mark.codex_since("0.150", "0.130 refuses a config with this tier"))
        if tier in {"priority", "default"}
        else tier
        for tier in TIERS
    ],
)
@pytest.mark.parametrize("provider", ["custom", "websocket", "built-in"])
def test_tier_and_transport(codex: Machine, codex_version: Version, provider: str, tier: str) -> None:
    """The tier of the wire, and the transport that Codex tries first."""
    top = f'service_tier = "{tier}"\n' if tier else ""
    codex.write("auth.json", api_key_login())
    if provider == "built-in":
        codex.write("config.toml", built_in_config(codex.upstream.base_url, top=top))
    else:
        table = "supports_websockets = true\n" if provider == "websocket" else ""
        codex.write("config.toml", relay_config(codex.upstream.base_url, top=top, table=table))
    ran, check = _probe(codex)
    assert check["ok"], ran.transcript
    sent = check["evidence"]["sent"]
    expected = at(codex_version, FLEX) if tier == "flex" else TIERS[tier]
    assert (expected, "http" if provider == "custom" else "websocket") == (sent["service_tier"], sent["transport"])


@pytest.mark.parametrize("trusted", [True, False])
def test_the_hook(codex: Machine, trusted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whether Codex runs it; nothing of ours is written and no worker is started, as in no session of the user."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()
    if not trusted:
        text = codex.config.read_text(encoding="utf-8")
        codex.write("config.toml", text.replace("trusted_hash = ", "was_hash = "))
    codex.cfp("stop", "--force")
    before, received = codex.files(), len(codex.upstream.received)
    ran, check = _probe(codex)
    assert (True, trusted) == (check["ok"], check["evidence"]["sent"]["hook_run"]), ran.transcript
    assert (0, received) == (len(codex.workers()), len(codex.upstream.received))
    after = codex.files()
    names = before.keys() | after.keys()
    ours = [name for name in names if "codex-fast-proxy" in name or name in {"config.toml", "hooks.json"}]
    assert [before.get(name) for name in ours] == [after.get(name) for name in ours]
    assert not (codex.home / "sessions").exists()


def test_what_codex_says_is_said(codex: Machine) -> None:
    """Codex's own words name the reason for which it sends no turn."""
    codex.write("config.toml", relay_config(codex.upstream.base_url).replace("RELAY_KEY", "NOT_SET"))
    _, check = _probe(codex)
    assert "codex_sent_no_turn" == check["code"]
    assert "NOT_SET" in check["detail"]


def test_without_a_cli(machine: Machine) -> None:
    """The probe says so, and no other check is lost."""
    machine.relay()
    ran, check = _probe(machine)
    assert "codex_cli_not_found" == check["code"]
    assert len(ran.json["checks"]) > 20


@pytest.mark.parametrize("command", ["status", "doctor", "install --dry-run"])
def test_looking_asks_no_provider(codex: Machine, command: str) -> None:
    """Codex would ask the provider for its models, with the user's login, whenever it is asked anything."""
    codex.write("auth.json", chatgpt_login())
    codex.write("config.toml", login_config(codex.upstream.base_url))
    assert codex.cfp(*command.split()).json["status"]
    assert () == codex.upstream.received
