"""The catalogue of models that the real Codex gets through the proxy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.harness import KEY_ENV, MODEL, Machine, chatgpt_login, login_config
from tests.end_to_end.test_catalogue_facts import FAST, UNKNOWN

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
