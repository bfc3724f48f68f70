"""The catalogue of models that the real Codex gets through the proxy."""

from __future__ import annotations

from typing import Any

import pytest

from cfp.demo.scripted_turns import model
from tests.end_to_end.harness import KEY_ENV, MODEL, Machine, chatgpt_login, login_config
from tests.end_to_end.test_catalogue_facts import FAST, FETCHES, UNKNOWN
from tests.real_codex import Version, at

ALIAS = f"relay/openai/{MODEL}"
_ANSWERS: dict[str, tuple[int, Any]] = {
    "list": (200, {"object": "list", "data": [{"id": name, "object": "model"} for name in (MODEL, ALIAS)]}),
    "404": (404, {"error": {"message": "No such path."}}),
}


def _fast_turn(machine: Machine) -> tuple[str | None, str]:
    """Take a turn; return its tier at the provider and what Codex printed on stderr."""
    before = len(machine.upstream.turns)
    ran = machine.codex_exec()
    assert 0 == ran.code, ran.transcript
    (turn,) = machine.upstream.turns[before:]
    return turn.json().get("service_tier"), ran.stderr


@pytest.mark.parametrize(("answer", "name"), [("list", MODEL), ("list", ALIAS), ("404", MODEL)])
def test_a_list_of_models_is_no_error(codex: Machine, answer: str, name: str) -> None:
    """With a ChatGPT login, Codex reports no error, and sends the tier for a provider's name of its model, too."""
    codex.write("config.toml", FAST + login_config(codex.upstream.base_url).replace(MODEL, name))
    codex.write("auth.json", chatgpt_login())
    codex.upstream.catalog = _ANSWERS[answer]
    codex.install("--upstream-api-key-env", KEY_ENV, "--service-tier-policy", "preserve")
    tier, stderr = _fast_turn(codex)
    assert "priority" == tier
    assert "failed to refresh available models" not in stderr
    assert UNKNOWN.format(name) not in stderr
    assert [request for request in codex.upstream.received if request.path.startswith("/v1/models")]


def _catalogue_on(machine: Machine, name: str) -> bytes:
    """Install with a catalogue at the proxy, for a relay whose key Codex has; return config.toml before."""
    machine.relay(top=FAST, model=name)
    machine.settle()
    before = machine.config.read_bytes()
    machine.install("--catalogue", "--service-tier-policy", "preserve", "--no-verify")
    return before


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        pytest.param("list", ALIAS, marks=FETCHES),
        pytest.param("its own", "relays-own", marks=FETCHES),
        *((answer, MODEL) for answer in ("list", "404", "its own", "down")),
    ],
)
def test_fast_reaches_the_wire_for_a_relays_model(codex: Machine, answer: str, name: str) -> None:
    """Codex's own switch is on, the policy adds nothing; without the catalogue, Codex leaves the tier out."""
    own = {key: value for key, value in model("relays-own").items() if key != "service_tiers"}
    codex.upstream.catalog = {"its own": (200, {"models": [own]}), "down": (503, {})}.get(answer) or _ANSWERS[answer]
    before = _catalogue_on(codex, name)
    tier, stderr = _fast_turn(codex)
    assert ("priority", False) == (tier, UNKNOWN.format(name) in stderr)
    codex.install("--no-catalogue")
    tier, stderr = _fast_turn(codex)
    is_known = name == MODEL
    assert ("priority" if is_known else None, is_known) == (tier, UNKNOWN.format(name) not in stderr)
    assert 0 == codex.cfp("uninstall").code
    assert before == codex.config.read_bytes()


def test_an_older_codex_goes_on_without_it(codex: Machine, codex_version: Version) -> None:
    """Codex before 0.169 leaves the key alone, and install says so; a newer one has the warning of its price."""
    before = _catalogue_on(codex, MODEL)
    warnings = codex.cfp("install", "--start", "--no-verify").json["warnings"]
    assert at(codex_version, {"0.130": "catalogue_not_read", "0.169": "catalogue_needs_the_proxy"}) in warnings
    assert codex.cfp("status").json["catalogue"] is True
    tier, stderr = _fast_turn(codex)
    assert ("priority", False) == (tier, UNKNOWN.format(MODEL) in stderr)
    assert 0 == codex.cfp("uninstall").code
    assert before == codex.config.read_bytes()


@FETCHES
def test_a_session_that_begins_without_the_proxy_knows_no_model(codex: Machine) -> None:
    """The price: the hook starts the proxy after Codex has asked; the next session is whole."""
    _catalogue_on(codex, MODEL)
    assert 0 == codex.cfp("stop", "--force").code
    assert [] == codex.workers()
    tier, stderr = _fast_turn(codex)
    assert (None, True) == (tier, UNKNOWN.format(MODEL) in stderr)
    tier, stderr = _fast_turn(codex)
    assert ("priority", False) == (tier, UNKNOWN.format(MODEL) in stderr)
