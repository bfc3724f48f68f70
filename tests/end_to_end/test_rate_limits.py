"""The real Codex at a provider's limit, with the proxy and without: no turn is worse, and a short limit passes."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest

from cfp.demo.scripted_turns import Reject, ScriptedTurn
from tests.end_to_end.harness import PROVIDER, Machine, Ran
from tests.real_codex import Version, at

LIMITED: Final = Reject(status=429, message="Rate limit reached for gpt-5.5. Please try again in 900ms.")
EXHAUSTED: Final = Reject(status=429, message="You exceeded your current quota. Please try again in 900ms.")
# How often Codex sends a request again after a 429 with Retry-After.
REPEATS: Final = {"0.130": 0, "0.171": 5}


def _direct(machine: Machine) -> Ran:
    return machine.codex_exec("-c", f'model_providers.{PROVIDER}.base_url="{machine.upstream.base_url}"')


def _outcome(machine: Machine, ran: Ran, before: int) -> tuple[int, int, list[str]]:
    """The exit code, the number of requests that reached the provider, and the words at the end of the turn."""
    words = [line for line in ran.stderr.splitlines() if line.startswith("ERROR:") and "Reconnecting" not in line]
    return ran.code, len(machine.upstream.turns) - before, words


@pytest.mark.codex_since("0.171", "older versions end the turn at any 429")
def test_a_short_rate_limit_passes(codex: Machine) -> None:
    """Codex waits and sends the request again, and the turn completes; the setting ends it as without the proxy."""
    codex.relay()
    codex.install()
    for flags, repeats in (((), 2), (("--pass-rate-limits",), 0), (("--no-pass-rate-limits",), 1)):
        if flags:
            assert 0 == codex.cfp("set-upstream", *flags, "--restart").code
        assert codex.cfp("status").json["pass_rate_limits"] is (flags == ("--pass-rate-limits",))
        before = len(codex.upstream.turns)
        codex.upstream.script(*[LIMITED] * max(repeats, 1))
        ran = codex.codex_exec()
        turns = codex.upstream.turns[before:]
        assert 1 + repeats == len(turns), ran.transcript
        assert (0 if repeats else 1) == ran.code, ran.transcript
        assert all(later.at - earlier.at >= 1 for earlier, later in pairwise(turns))
    assert ScriptedTurn().text == ran.stdout.strip()


@pytest.mark.parametrize("answer", [LIMITED, EXHAUSTED], ids=["limit", "quota"])
def test_a_limit_that_stays_ends_the_turn(codex: Machine, codex_version: Version, answer: Reject) -> None:
    """With the words that direct Codex has, after some seconds; a quota after one request, as without the proxy."""
    codex.relay()
    codex.install()
    codex.upstream.default = answer
    before = len(codex.upstream.turns)
    code, posts, words = _outcome(codex, _direct(codex), before)
    assert (1, 1, True) == (code, posts, bool(words))
    ran = codex.codex_exec()
    repeats = at(codex_version, REPEATS) if answer is LIMITED else 0
    assert (1, 1 + repeats, words) == _outcome(codex, ran, before + 1), ran.transcript
