"""The chosen provider, for every form of config.toml."""

from __future__ import annotations

from typing import Any

import pytest

from cfp.core.provider import RESERVED, active_provider, choose_provider, is_third_party
from cfp.errors import Refused

RELAY = {"relay": {"name": "Relay", "base_url": "https://relay.example/v1"}}


@pytest.mark.parametrize(
    ("doc", "provider"),
    [
        ({}, "openai"),
        ({"openai_base_url": "https://a.example"}, "openai"),
        ({"model_provider": "openai"}, "openai"),
        ({"model_provider": "relay", "model_providers": RELAY}, "relay"),
        ({"model_providers": RELAY, "openai_base_url": "https://a.example"}, "openai"),
        ({"model_providers": RELAY}, None),
        ({"model_providers": "not a table"}, "openai"),
    ],
)
def test_the_active_provider(doc: dict[str, Any], provider: str | None) -> None:
    """`model_provider`, else the built-in one; ambiguous where custom ones are configured beside it."""
    assert active_provider(doc) == provider


@pytest.mark.parametrize(
    ("doc", "name", "code"),
    [
        ({"model_providers": RELAY}, None, "ambiguous_provider"),
        ({"model_providers": RELAY}, "other", "unknown_provider"),
        ({"model_provider": "gone", "model_providers": RELAY}, None, "unknown_provider"),
        *(({}, reserved, "reserved_provider") for reserved in sorted(RESERVED - {"openai"})),
        ({"model_provider": "ollama"}, None, "reserved_provider"),
    ],
)
def test_what_cannot_be_switched(doc: dict[str, Any], name: str | None, code: str) -> None:
    """Ambiguous, unknown and reserved providers are refused; a reserved id is never written."""
    with pytest.raises(Refused) as refused:
        choose_provider(doc, name)
    assert refused.value.code == code


def test_the_built_in_provider_has_its_url_at_top_level() -> None:
    """`[model_providers.openai]` would make Codex refuse the whole config (Codex >= 0.116)."""
    target = choose_provider({"model_providers": RELAY}, "openai")
    assert (target.url_key, target.url, target.built_in) == (("openai_base_url",), None, True)


def test_activation_is_asked_for_only_where_it_changes_something() -> None:
    """--activate-provider on the provider that Codex uses anyway is no change."""
    doc = {"model_provider": "relay", "model_providers": RELAY}
    assert choose_provider(doc, "relay", activate=True).activate is False
    assert choose_provider({"model_providers": RELAY}, "relay", activate=True).activate is True
    with pytest.raises(Refused):
        choose_provider(doc, None, activate=True)


@pytest.mark.parametrize(
    ("provider", "url", "third_party"),
    [
        ("openai", None, False),
        ("openai", "https://api.openai.com/v1", False),
        ("openai", "https://EU.api.OpenAI.com:443/v1", False),
        ("openai", "https://chatgpt.com/backend-api/codex", False),
        ("openai", "https://relay.example/v1", True),
        ("openai", "https://relay.example/openai.com", True),
        ("openai", "https://notopenai.com/v1", True),
        ("openai", "https://openai.com.relay.example/v1", True),
        ("openai", "https://api.openai.com@relay.example/v1", True),
        ("openai", "http://127.0.0.1:9999/v1", True),
        ("openai", "not a URL", True),
        ("relay", "https://api.openai.com/v1", True),
    ],
)
def test_a_third_party(provider: str, url: str | None, third_party: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """The built-in provider is OpenAI only where its URL is, whatever else stands in that URL."""
    assert third_party is is_third_party(provider, url)
