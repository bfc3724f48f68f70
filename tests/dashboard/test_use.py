"""The page in use: narrow the requests, save them, and do all of it by keyboard."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cfp.demo.provider import DemoProvider
from tests.dashboard import stage
from tests.dashboard.browser import launched, window
from tests.end_to_end.harness import KEY, Machine

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.beyond_wine("a chromium, and playwright's driver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as instance:
        yield instance


@pytest.fixture(scope="module")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a past, to which the tests add requests."""
    with DemoProvider(key=KEY) as upstream:
        machine = Machine(root=tmp_path_factory.mktemp("machine") / "m", upstream=upstream)
        try:
            lines = stage.past(upstream.base_url, stage.now())
            lines[1] |= {"model": '=cmd|"x"!A1'}
            stage.install(machine, lines)
            yield machine
        finally:
            machine.end_everything()


@pytest.fixture
def page(browser: Browser, home: Machine) -> Iterator[Page]:
    """The page at the width of a desk; it may report no error."""
    with window(browser, width=1440) as watched:
        page = watched.open(stage.url(home))
        page.locator("#usage tfoot").wait_for()
        yield page
        assert [] == watched.complaints


def models_of(page: Page) -> set[str | None]:
    return {cell.text_content() for cell in page.locator("td.model").all()}


def test_a_session_and_a_model_are_chosen(page: Page) -> None:
    """Only their requests are shown, and counted; Escape shows all again."""
    rows = page.locator("tr.request")
    page.get_by_label("Session", exact=True).select_option(index=1)
    status = page.locator("#requests [role=status]")
    assert "of the last" in (status.text_content() or "")
    page.get_by_label("Model", exact=True).select_option(stage.SLOW)
    assert {stage.SLOW} == models_of(page)
    assert 0 < rows.count() < 14
    page.get_by_label("Model", exact=True).press("Escape")
    assert "The last" in (status.text_content() or "")
    assert 14 == rows.count()
    assert ["", ""] == [one.input_value() for one in page.locator("#requests select").all()]


@pytest.mark.parametrize(("text", "count"), [("429", 1), ("SUBAGENT", 9), ("closed by", 1), ("nowhere", 0)])
def test_requests_are_searched(page: Page, text: str, count: int) -> None:
    """A text is sought in names and words, in any case, and not in times; where nothing has it, the page says so."""
    page.get_by_role("searchbox").fill(text)
    assert count == page.locator("tr.request").count()
    assert (count == 0) == page.get_by_text("None of them is of this choice.").is_visible()
    page.get_by_role("button", name="Clear").click()
    assert 14 == page.locator("tr.request").count()
    assert not page.get_by_role("button", name="Clear").is_visible()


def test_a_choice_stays_while_requests_come(page: Page, home: Machine) -> None:
    """A new request of another model is no reason to change the choice, the text or the focus."""
    page.get_by_label("Model", exact=True).select_option(stage.SLOW)
    page.get_by_role("searchbox").fill("gpt")
    page.evaluate("window.list = document.querySelector('#requests select[aria-label=Model]')")
    total = page.locator("#requests [role=status]")
    before = total.text_content()
    assert 200 == stage.turn(home, model="a-new-model")
    page.locator("option[value=a-new-model]").wait_for(state="attached")
    assert {stage.SLOW} == models_of(page)
    assert before != total.text_content()
    assert page.evaluate("list.isConnected && list.value") == stage.SLOW
    assert "searchbox" == page.evaluate("document.activeElement.type === 'search' ? 'searchbox' : ''")


def saved(page: Page, name: str) -> tuple[str, str]:
    """Press a button; return the file's name and its text."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    path = Path(download.value.path())
    return download.value.suggested_filename, path.read_bytes().decode()


def test_what_is_shown_is_saved(page: Page) -> None:
    """Both formats have the chosen requests, newest first, with all fields of the log."""
    page.get_by_role("searchbox").fill(stage.SLOW)
    name, text = saved(page, "Save requests as JSON")
    requests: list[dict[str, Any]] = json.loads(text)
    assert ("codex-fast-proxy-requests.json", {stage.SLOW}) == (name, {one["model"] for one in requests})
    assert sorted(one["ts"] for one in requests) == [one["ts"] for one in reversed(requests)]
    name, text = saved(page, "Save requests as CSV")
    rows = [*csv.DictReader(io.StringIO(text, newline=""))]
    assert "codex-fast-proxy-requests.csv" == name
    assert [one["request_id"] for one in requests] == [row["request_id"] for row in rows]
    assert [str(one["input_tokens"]) for one in requests] == [row["input_tokens"] for row in rows]


def test_a_saved_text_is_no_formula(page: Page) -> None:
    """A spreadsheet takes a model's name for a text, whatever it begins with, and quotes come back as they were."""
    page.get_by_role("searchbox").fill("=cmd")
    rows = [*csv.DictReader(io.StringIO(saved(page, "Save requests as CSV")[1], newline=""))]
    assert ['\'=cmd|"x"!A1'] == [row["model"] for row in rows]


def test_sums_are_saved(page: Page) -> None:
    """The sums are saved by the name and over the time that are chosen."""
    page.get_by_role("button", name="Day", exact=True).click()
    page.locator("#usage th", has_text="Day").wait_for()
    name, text = saved(page, "Save sums as CSV")
    (*_, newest) = csv.DictReader(io.StringIO(text, newline=""))
    assert "codex-fast-proxy-sums.csv" == name
    assert {"day", "requests", "input_tokens", "fast_sent", "duration_p95_ms"} <= newest.keys()


def test_each_control_is_reached_and_seen(page: Page) -> None:
    """Tab leads through every control in the order of the page, and each shows its focus."""
    controls = "a[href], button, input, select"
    expected = page.evaluate(
        f"[...document.querySelectorAll('{controls}')].filter((one) => one.getClientRects().length).length"
    )
    places: list[int] = []
    for _ in range(expected):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            f"[[...document.querySelectorAll('{controls}')].indexOf(document.activeElement),"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert "none" != outline
        places.append(at)
    assert sorted(set(places)) == places
    assert expected == len(places)


def test_a_row_is_closed_by_escape(page: Page) -> None:
    """Enter opens a row, Escape closes it, and the focus stays."""
    page.locator("button.opener").nth(2).focus()
    page.keyboard.press("Enter")
    assert 1 == page.locator("tr.detail").count()
    page.keyboard.press("Escape")
    assert 0 == page.locator("tr.detail").count()
    assert page.locator("button.opener").nth(2).evaluate("(one) => one === document.activeElement")


@pytest.mark.parametrize(("motion", "expected"), [("reduce", "none"), ("no-preference", "breathe")])
def test_nothing_moves_where_that_is_not_wanted(browser: Browser, home: Machine, motion: str, expected: str) -> None:
    """The mark of running requests moves only where the user has not asked for less motion."""
    with window(browser, motion=motion) as watched:
        page = watched.open(stage.url(home))
        name = page.evaluate(
            "(document.querySelector('.dot').classList.add('busy'),"
            " getComputedStyle(document.querySelector('.dot')).animationName)"
        )
        assert expected == name


def test_a_browser_is_led_to_the_page_from_the_root(browser: Browser, home: Machine) -> None:
    """The address without a path, and the URL in config.toml, show the page."""
    with window(browser) as watched:
        for path in ("/", "/v1"):
            page = watched.open(stage.url(home, path))
            assert "codex-fast-proxy" == page.locator("h1").text_content()
        assert [] == watched.complaints
