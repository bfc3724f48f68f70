"""The page in every state: it says what `status` says, anyone can use it, and it fits every window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dashboard import stage
from tests.dashboard.browser import findings, launched, window
from tests.dashboard.states import STATES, in_state
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.beyond_wine("a chromium, and playwright's driver")
AUDITED: Mapping[int, Any] = {360: "light", 1600: "dark"}  # the widths at which axe-core looks, and the scheme
WIDTHS = (360, 768, 1024, 1280, 1600)

# Columns of which no cell that is shown has a value.
EMPTY_COLUMNS = (Path(__file__).parent / "empty_columns.js").read_text("utf-8")

# Two frames: after the second one, what the first has resized is drawn.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as instance:
        yield instance


def sentence(page: Page, place: str) -> str:
    """Return the whole text of a claim: what stands out, and what follows."""
    return " ".join(page.locator(f"{place} .sentence, {place} .action").all_text_contents())


# Texts that a state shows beside what every state does.
SHOWN = {
    "empty": ("No model request in this time.", "No benchmark yet.", "config.toml"),
    "ready": ("Time saved by Fast1 min 31 s", "for 37 of 46 requests, by the benchmark of", "1.31 to 1.60"),
    "unmeasured": ("Time saved by Fastnot known", "no benchmark has measured it for these models at this provider"),
    "many_benchmarks": ("Show all 20", "No noticeable effect"),
    "busy": ("5 running",),
    "refused_key": ("401 failed", "The last request failed"),
    "ruled": (
        *("remove kind=subagent", "add model=gpt-5*", "of 9B tokens with Fast today"),
        *("1 of 1 requests with Fast today; the rest of the day goes without Fast", f"the saved upstream {'m' * 64}"),
    ),
    "odd": ("<img src=x onerror=alert(1)>", "The last 26 requests"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_true_and_for_everyone(browser: Browser, machine_of: Machine, name: str) -> None:
    """Fast and diagnosis as in `status`; no finding of axe-core, no empty column, no sideways scrolling."""
    machine = machine_of
    with in_state(machine, name):
        status = machine.cfp("status").json
        with window(browser) as watched:
            page = watched.open(stage.url(machine))
            page.locator("#usage :is(table, .empty)").wait_for()
            assert says(status) == (sentence(page, "#fast-line"), sentence(page, "#say"))
            text = page.evaluate("document.body.innerText").replace("\n", "")
            assert [] == [words for words in SHOWN.get(name, ()) if words not in text]
            if page.locator("button.opener").count():
                page.locator("button.opener").first.click()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.evaluate(DRAWN)
                shown = page.evaluate(EMPTY_COLUMNS), page.evaluate("document.documentElement.scrollWidth")
                assert ([], width) == shown
                if width in AUDITED:
                    page.emulate_media(color_scheme=AUDITED[width])
                    assert [] == findings(page), width
            assert [] == watched.complaints


def says(status: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sentences of `status` on Fast and on the whole, without the marks of code."""
    fast, diagnosis = status["fast"], status["diagnosis"]
    whole = " ".join(filter(None, (diagnosis["message"], status["next_user_action"])))
    return ("" if fast is None else fast["message"].replace("`", "")), whole.replace("`", "")


def test_a_fault_is_found(browser: Browser) -> None:
    """The audit itself works: a button without a name and faint text are findings."""
    with window(browser) as watched:
        watched.page.set_content("<main><h1>x</h1><button></button><p style='color: #ccc'>faint</p></main>")
        rules = {finding.partition(":")[0] for finding in findings(watched.page)}
        assert {"button-name", "color-contrast"} <= rules


@pytest.fixture
def machine_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose provider refuses everything but the shared key."""
    with Listener(key=KEY) as upstream:
        machine = Machine(root=tmp_path_factory.mktemp("machine") / "m", upstream=upstream)
        try:
            yield machine
        finally:
            machine.end_everything()
