"""The dashboard's sentences: each code has one, and the terminal's page words the same facts in the same way."""

from __future__ import annotations

import json
import re

import pytest
from rich.console import Console

from cfp.core.policy import FastBehavior
from cfp.core.traffic.kinds import Kind
from cfp.core.traffic.requests import Ending, Outcome
from cfp.proxy.exchange.admission import Denial
from cfp.proxy.http.local_responses import LocalResponse
from cfp.views.status import BEHAVIORS, OPTED_OUT, WEBSOCKETS, status
from tests.house.source import REPOSITORY

WORDS = (REPOSITORY / "cfp/proxy/dashboard/static/words.js").read_text("utf-8")
PLAIN = WORDS.replace("\\", "").replace("`", "").replace("${tier}", "{tier}")
ERRORS = dict(re.findall(r'^  (\w+): "(.*)",$', WORDS.partition("ERROR = {")[2], re.MULTILINE))
OF_STREAMS = {"client_left", "client_silent", "upstream_cut", "upstream_error", "upstream_not_sse"}
OF_STREAMS |= {"websocket_not_served"}


def test_each_error_code_has_a_sentence() -> None:
    """A failed request's detail explains each code that the proxy itself sets."""
    codes = {response.code for response in LocalResponse if response is not LocalResponse.NOT_ADMITTED}
    assert set() == (codes | {denial.value for denial in Denial} | OF_STREAMS) - set(ERRORS)


def test_each_ending_has_a_word() -> None:
    """A request's detail says how it ended, and its row what that means."""
    assert set(Ending) == set(
        re.findall(r"^  (\w+): ", WORDS.partition("ENDING = {")[2].partition("}")[0], re.MULTILINE)
    )
    assert set(Outcome) == set(re.findall(r"(\w+): ", WORDS.partition("OUTCOME = {")[2].partition("}")[0])) - {
        "Incomplete"
    }


def test_each_kind_has_a_word() -> None:
    """The page names each kind of model request that the log can have."""
    assert set(Kind) == set(re.findall(r"^  (\w+): ", WORDS.partition("KIND = {")[2].partition("}")[0], re.MULTILINE))


def test_a_denial_has_one_wording() -> None:
    """The response to a denied request and the dashboard give the same reason."""
    assert {} == {denial: ERRORS[denial.value] for denial in Denial if denial.reason not in ERRORS[denial.value]}


@pytest.mark.parametrize("sentence", [*BEHAVIORS.values(), OPTED_OUT, *WEBSOCKETS.values()])
def test_the_status_page_uses_the_sentences_of_the_dashboard(sentence: str) -> None:
    """A user who reads both finds one wording for the policy's effect and for WebSocket."""
    assert sentence in PLAIN


def test_each_behavior_has_a_sentence() -> None:
    """The status page words each effect of the policy."""
    assert set(FastBehavior) - {FastBehavior.UNKNOWN} == set(BEHAVIORS)


def test_the_status_page_respects_the_opt_out() -> None:
    """`service_tier = "default"` in config.toml stops the policy auto, and the page says so."""
    result = json.loads((REPOSITORY / "fixtures/results/status_ready.json").read_text("utf-8"))
    page = Console(width=200)
    with page.capture() as adding:
        page.print(*status(result))
    with page.capture() as opted_out:
        page.print(*status(result | {"service_tier_effective_policy": "preserve"}))
    assert "auto: the proxy adds priority to requests without a tier" in adding.get()
    assert f"auto: {OPTED_OUT}" in opted_out.get()
