"""Codex, our proxy and a real LiteLLM in a row; without LiteLLM these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.down_provider import down_provider
from tests.end_to_end.conftest import codex, machine
from tests.end_to_end.harness import Machine
from tests.end_to_end.listeners import Listener
from tests.gateway.litellm_proxy import MISSING, PROVIDER_KEY, Gateway, join, program, running

__all__ = ["codex", "machine"]


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running LiteLLM; without one the test is skipped, or fails where CFP_REQUIRE_GATEWAY=1."""
    litellm = program()
    if litellm is None:
        if os.environ.get("CFP_REQUIRE_GATEWAY") == "1":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("litellm")
    with down_provider() as nowhere, running(litellm, folder, nowhere.removesuffix("/v1")) as started:
        yield started


@pytest.fixture
def provider(gateway: Gateway) -> Iterator[Listener]:
    """The provider behind LiteLLM; no key but its own and no login may come there."""
    with Listener(key=PROVIDER_KEY, port=gateway.provider_port) as listener:
        yield listener
        assert [] == listener.foreign_identities()


@pytest.fixture
def team(codex: Machine, gateway: Gateway, provider: Listener) -> Machine:
    """A machine whose Codex has LiteLLM for its provider, with the master key in `env_key`."""
    return join(codex, gateway, provider)
