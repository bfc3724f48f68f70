"""Facts about the model catalogue of the real Codex. No part of our program runs here, but for the call of the CLI.

Codex knows a model by its entry in the catalogue: its instructions, its context window, the tiers that it sends.
"""

from __future__ import annotations

from typing import Any

import pytest

from cfp.core.catalog.entries import names_a_model
from cfp.demo.scripted_turns import model
from cfp.host.codex_cli import find_codex
from tests.end_to_end.harness import MODEL, Machine, chatgpt_login, login_config, relay_config
from tests.ports import free_port
from tests.real_codex import Version, at

CATALOG_URL_SINCE = "0.169"
# 0.130 sends the tier for any model, and says nothing of one that it does not know.
CHECKS = {"0.130": False, "0.150": True}
FETCHES = pytest.mark.codex_since(CATALOG_URL_SINCE, "an earlier one does not know the key")
UNKNOWN = "Model metadata for `{}` not found"
UNDECODABLE = "failed to decode models response"
LIST = {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
FAST = 'service_tier = "fast"\n'
_UNTOUCHED: dict[str, tuple[int, Any]] = {
    "OpenAI's list": (200, LIST),
    "404": (404, {"error": {"message": "No such path."}}),
    "no entry": (200, {"models": []}),
}


def bundled(machine: Machine) -> list[dict[str, Any]]:
    """The entries of Codex's own catalogue."""
    cli = find_codex(machine.environment(), machine.home, program=machine.codex)
    assert cli is not None
    return cli.bundled_models()


def _fast_turn(machine: Machine, *, name: str = MODEL, table: str | None = None) -> tuple[str | None, str]:
    """Take a turn that asks for Fast; return its tier on the wire and what Codex printed on stderr.

    With `table`, the provider has a key of its own; without, it takes a ChatGPT login.
    """
    upstream = machine.upstream
    if table is None:
        upstream.login = True
        upstream.key = None
        machine.write("auth.json", chatgpt_login())
        text = login_config(upstream.base_url).replace(MODEL, name)
    else:
        text = relay_config(upstream.base_url, model=name, table=table)
    machine.write("config.toml", FAST + text)
    before = len(upstream.turns)
    ran = machine.codex_exec()
    assert 0 == ran.code, ran.transcript
    (turn,) = upstream.turns[before:]
    tier = turn.json().get("service_tier")
    assert tier is None or isinstance(tier, str)
    return tier, ran.stderr


@pytest.mark.parametrize("answer", _UNTOUCHED)
def test_an_answer_without_entries_leaves_the_bundled_catalogue(codex: Machine, answer: str) -> None:
    """With a login Codex asks the provider for a catalogue; it reports each answer but an empty catalogue."""
    codex.upstream.catalog = _UNTOUCHED[answer]
    tier, stderr = _fast_turn(codex)
    assert "priority" == tier
    assert (answer != "no entry") is ("failed to refresh available models" in stderr)
    assert (answer == "OpenAI's list") is (UNDECODABLE in stderr)


def test_an_answer_with_entries_takes_the_bundled_ones_place(codex: Machine, codex_version: Version) -> None:
    """A model of the bundled catalogue that the answer lacks is unknown, and its tier is not sent."""
    codex.upstream.catalog = (200, {"models": [model("another-model")]})
    tier, stderr = _fast_turn(codex)
    assert at(codex_version, CHECKS) is (UNKNOWN.format(MODEL) in stderr) is (tier is None)


@pytest.mark.parametrize(
    "name",
    [
        f"{MODEL}-2026-01-01",
        f"openai/{MODEL}",
        f"my-relay/{MODEL}",
        f"my.relay/{MODEL}",
        f"relay/openai/{MODEL}",
        MODEL.upper(),
    ],
)
def test_names_by_which_codex_knows_a_model(codex: Machine, codex_version: Version, name: str) -> None:
    """A slug with more behind it, or one vendor before it, means the model; its tier goes out only then."""
    tier, stderr = _fast_turn(codex, name=name, table="")
    is_known = names_a_model(name, [MODEL]) or not at(codex_version, CHECKS)
    assert is_known is (UNKNOWN.format(name) not in stderr) is (tier == "priority")


@FETCHES
@pytest.mark.parametrize("answer", [*_UNTOUCHED, "nobody"])
def test_a_catalogue_of_its_own_url_stands_alone(codex: Machine, answer: str) -> None:
    """`model_catalog_url`: where it has no entries, or nobody answers, Codex knows no model, and sends no tier."""
    url = f"http://127.0.0.1:{free_port()}/v1/models" if answer == "nobody" else f"{codex.upstream.base_url}/models"
    codex.upstream.catalog = _UNTOUCHED.get(answer)
    tier, stderr = _fast_turn(codex, table=f'model_catalog_url = "{url}"\n')
    assert (None, True) == (tier, UNKNOWN.format(MODEL) in stderr)


@pytest.mark.parametrize(("tiers", "sent"), [(("priority",), "priority"), (("fast",), None), ((), None)])
def test_the_entry_decides_about_the_tier(
    codex: Machine, codex_version: Version, tiers: tuple[str, ...], sent: str | None
) -> None:
    """Fast reaches the wire for a model whose entry has the tier under its name `priority`, whatever the model is."""
    codex.upstream.catalog = (200, {"models": [model("another-model", tiers=tiers)]})
    table = f'model_catalog_url = "{codex.upstream.base_url}/models"\n'
    tier, stderr = _fast_turn(codex, name="another-model", table=table)
    assert at(codex_version, {"0.130": "priority", "0.150": None, CATALOG_URL_SINCE: sent}) == tier
    assert at(codex_version, {"0.130": False, "0.150": True, CATALOG_URL_SINCE: False}) is (
        UNKNOWN.format("another-model") in stderr
    )


def test_the_bundled_catalogue_is_one_of_a_provider(codex: Machine) -> None:
    """`codex debug models --bundled` prints it offline, in the form that Codex reads from a provider."""
    entries = bundled(codex)
    assert MODEL in {entry["slug"] for entry in entries}
    renamed = {**next(entry for entry in entries if entry["slug"] == MODEL), "slug": "another-model"}
    codex.upstream.catalog = (200, {"models": [*entries, renamed]})
    tier, stderr = _fast_turn(codex, name="another-model")
    assert ("priority", False, False) == (tier, UNKNOWN.format("another-model") in stderr, UNDECODABLE in stderr)
