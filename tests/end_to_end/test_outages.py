"""The real Codex while its provider is away: the turn waits and completes through the proxy, as it does without."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.ports import free_port
from tests.real_codex import Version, at

OUTAGE = 12.0
# Codex counts neither refused connections nor the waiting of the proxy as a retry.
NO_RETRIES = "request_max_retries = 0\nstream_max_retries = 0\n"


@pytest.mark.parametrize("table", [NO_RETRIES, "supports_websockets = true\n"], ids=["http", "websocket"])
def test_a_turn_outlasts_an_outage(codex: Machine, codex_version: Version, table: str) -> None:
    """Turns begin while the provider refuses connections; each completes, by one POST.

    One goes past the proxy, where that Codex waits by itself: 0.130 gives up.
    """
    port = free_port()
    with Listener(key=KEY, port=port) as codex.upstream:
        codex.relay(table=table)
        codex.install()
    direct = ("-c", f'model_providers.relay.base_url="{codex.upstream.base_url}"')
    ways: list[tuple[str, ...]] = at(codex_version, {"0.130": [()], "0.150": [(), direct]})
    with ExitStack() as stack:
        turns = [stack.enter_context(codex.codex_started("--ephemeral", *words)) for words in ways]
        time.sleep(OUTAGE)
        assert {None} == {turn.poll() for turn in turns}
        with Listener(key=KEY, port=port) as codex.upstream:
            for turn in turns:
                ran = codex.finish(turn)
                assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
            assert len(ways) == len(codex.upstream.turns)
