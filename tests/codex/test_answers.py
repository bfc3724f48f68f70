"""The answers of app-server, as values without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from cfp.codex.app_server.answers import Setting, parse_answers


def listing(*, warnings: tuple[str, ...] = (), errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    return {"data": [{"hooks": [], "warnings": list(warnings), "errors": list(errors)}]}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            '/h/config.toml:3:14: invalid type: string "Bearer \\"sk-1", expected a map',
            "/h/config.toml:3:14: invalid type: a string, expected a map",
        ),
        (
            "unknown variant `sk-proj-0123456789abcdefghij`, expected `responses`",
            "unknown variant, expected `responses`",
        ),
        ("unknown variant `sometimes`, expected `never`.", "unknown variant `sometimes`, expected `never`"),
        ("no longer supported.\nHow to fix: set it", "no longer supported. How to fix: set it"),
    ],
)
def test_a_refusal_without_values(sentence: str, expected: str) -> None:
    """Codex quotes the value of a key in the wrong place, which can be a secret; the line breaks go, too."""
    assert expected == parse_answers(listing(errors=({"path": "/w", "message": sentence},)), None, None, None).refusal


def test_a_dropped_file() -> None:
    """Its path and the reason, without the value."""
    sentence = 'failed to parse hooks config /h/hooks.json: invalid type: string "5", expected u64 at line 1 column 2'
    answers = parse_answers(
        listing(warnings=(sentence, "skipping prompt hook in /h/hooks.json: no")), None, None, None
    )
    assert (("/h/hooks.json", "invalid type: a string, expected u64 at line 1 column 2"),) == answers.dropped_hooks


USER = {"name": {"type": "user", "file": "/h/config.toml", "profile": None}, "version": "sha256:0"}
MANAGED = {"name": {"type": "legacyManagedConfigTomlFromFile", "file": "/etc/codex/managed_config.toml"}}
CONFIG = {
    "config": {
        "model_provider": "re.lay",
        "service_tier": None,
        "model_providers": {"re.lay": {"base_url": "http://h/v1", "experimental_bearer_token": "sk-secret"}},
        "features": {"hooks": False},
        "openai_base_url": "http://o/v1",
    },
    "origins": {
        "model_provider": USER,
        "model_providers.re.lay.base_url": MANAGED,
        "features.hooks": {"name": {"type": "sessionFlags"}},
        "openai_base_url": {"name": {"type": "project", "dotCodexFolder": "/p/.codex"}},
    },
}


def test_settings_and_their_origins() -> None:
    """Of the provider in force, whose id may have a dot."""
    answers = parse_answers(listing(), CONFIG, {"requirements": None}, (0, 171, 0))
    assert Setting(value="re.lay", origin="/h/config.toml", layer="user") == answers.provider
    assert answers.base_url is not None
    assert ("http://h/v1", "/etc/codex/managed_config.toml") == (answers.base_url.value, answers.base_url.origin)
    assert answers.base_url.is_managed
    assert Setting(value=False, origin="sessionFlags", layer="sessionFlags") == answers.hooks_feature
    assert answers.service_tier is None
    assert "sk-secret" not in repr(answers)


@pytest.mark.parametrize(
    ("required", "barred", "pinned"),
    [
        ({"allowManagedHooksOnly": True}, "allow_managed_hooks_only = true", frozenset()),
        ({"featureRequirements": {"hooks": False}}, "features.hooks = false", frozenset()),
        ({"featureRequirements": {"hooks": True}, "allowManagedHooksOnly": None}, "", frozenset()),
        ({"modelProvider": "openai"}, "", frozenset({"model_provider"})),
    ],
)
def test_requirements(required: dict[str, Any], barred: str, pinned: frozenset[str]) -> None:
    """The administrator's two ways to keep users' hooks from running, and the keys that are set for good."""
    answers = parse_answers(listing(), CONFIG, {"requirements": required}, None)
    assert (barred, pinned) == (answers.barred_hooks, answers.pinned)
