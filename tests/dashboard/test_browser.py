"""The page in a real browser: each state of a proxy, live changes, and accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cfp.demo.provider import DemoProvider
from cfp.demo.scripted_turns import Reject, Stall
from tests.dashboard import stage
from tests.dashboard.browser import NAMELESS, TOO_FAINT, Watched, launched, window
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.websocket import Switchboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.beyond_wine("a chromium, and playwright's driver")
WIDTHS = (360, 768, 1280, 1920)
# The page's policy forbids the evaluation of text, by which `wait_for_function` looks a second time.
REDRAWN = """() => new Promise((resolve) => {
  const look = () => {
    const fits = document.querySelector("svg.chart").width.baseVal.value <= innerWidth;
    return fits ? resolve() : requestAnimationFrame(look);
  };
  look();
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as instance:
        yield instance


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A window whose page may report no error."""
    with window(browser) as page:
        yield page
        assert [] == page.complaints


@pytest.fixture(scope="module")
def quiet_home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A shared machine whose tests leave it as it was, except for some more requests."""
    with DemoProvider(key=KEY) as upstream:
        machine = Machine(root=tmp_path_factory.mktemp("machine") / "m", upstream=upstream)
        try:
            stage.install(machine, [])
            yield machine
        finally:
            machine.end_everything()


@pytest.fixture(scope="module")
def busy_home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A shared machine with a past, for tests that only read the page."""
    with DemoProvider(key=KEY) as upstream:
        machine = Machine(root=tmp_path_factory.mktemp("machine") / "m", upstream=upstream)
        try:
            base, now = upstream.base_url, stage.now()
            stage.install(machine, stage.past(base, now), stage.benchmark(base, now))
            yield machine
        finally:
            machine.end_everything()


def test_an_empty_page_says_what_to_do(watched: Watched, machine: Machine) -> None:
    """Without requests each panel says how it gets some; then a turn appears without a reload."""
    stage.install(machine, [])
    page = watched.open(stage.url(machine))
    assert page.locator("#say .sentence").text_content().startswith("Ready: the next request goes through the proxy.")
    assert "All is well" == page.locator("#diagnosis .sign").get_attribute("aria-label")
    for panel, text in (
        ("requests", "No model request yet."),
        ("times", "appear with the first response"),
        ("benchmark", "No benchmark yet."),
        ("checks", "when a session starts"),
        ("fast", "codex-fast-proxy benchmark"),
    ):
        assert text in (page.locator(f"#{panel}").text_content() or "")
    page.evaluate("window.same = true")
    assert 200 == stage.turn(machine)
    row = page.locator("tr.request")
    row.wait_for()
    cells = dict(
        zip(page.locator(".requests th").all_text_contents(), row.locator("td").all_text_contents(), strict=True)
    )
    shown = [cells[name] for name in ("Model", "Tier sent", "Echoed", "Ending")]
    assert ["gpt-5.5", "priorityadded", "priority", "200 complete"] == shown
    page.get_by_text("1 request served since the start").wait_for()
    assert 2 == page.locator("svg.chart").count()
    assert page.evaluate("window.same")


def test_a_failing_provider_is_named_with_the_command(watched: Watched, quiet_home: Machine) -> None:
    """The verdict changes live, offers the command to copy, and changes back with the next turn."""
    page = watched.open(stage.url(quiet_home))
    quiet_home.upstream.script(Reject(status=401))
    assert 401 == stage.turn(quiet_home)
    page.get_by_text("The provider refused the key of the variable RELAY_KEY at the last request").wait_for()
    assert "risk" in (page.locator("#diagnosis").get_attribute("class") or "")
    command = "codex-fast-proxy verify-upstream"
    page.get_by_role("button", name=f"Copy {command}").click()
    page.get_by_text("Copied").wait_for()
    assert command == page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Failures only").click()
    assert page.locator("tr.request").count() == page.locator("tr.request.failed").count() > 0
    assert 200 == stage.turn(quiet_home)
    page.get_by_text("Ready: requests go through the proxy.").wait_for()


def test_the_support_of_websocket_is_shown(watched: Watched, machine: Machine) -> None:
    """The route says whether Codex has used WebSocket and whether the provider supports it, live."""
    stage.install(machine, [])
    page = watched.open(stage.url(machine))
    route = page.locator("#route")
    route.get_by_text("Codex has not requested it yet").wait_for()
    machine.upstream.switch = Switchboard()
    assert 101 == stage.upgrade(machine)
    route.get_by_text("the provider supports it", exact=True).wait_for()
    machine.upstream.switch = None
    assert 426 == stage.upgrade(machine)
    route.get_by_text("the provider does not support it, so Codex uses HTTP").wait_for()


def test_running_requests_are_counted(watched: Watched, quiet_home: Machine) -> None:
    """Running requests are counted, without the page's own."""
    page = watched.open(stage.url(quiet_home))
    assert "Live" == page.locator("#live").text_content()
    quiet_home.upstream.script(*[Stall(after_first_event=True)] * 3)
    with stage.running(quiet_home, 3):
        page.get_by_text("Live · 3 running").wait_for()
    page.get_by_text("Live", exact=True).wait_for()
    assert page.locator("tr.request.left").count() >= 3


def test_the_page_reconnects_to_the_next_worker(browser: Browser, machine: Machine) -> None:
    """The page says that the proxy does not respond, with the command to start it, and reconnects by itself."""
    stage.install(machine, [])
    with window(browser) as watched:
        page = watched.open(stage.url(machine))
        assert 0 == machine.cfp("stop", "--force").code
        page.get_by_text("The proxy does not respond.").wait_for()
        assert page.get_by_role("button", name="Copy codex-fast-proxy start").is_visible()
        assert 0 == machine.cfp("start").code
        page.get_by_text("Ready: the next request goes through the proxy.").wait_for()
        assert [] == [complaint for complaint in watched.complaints if "ERR_" not in complaint]


def test_changed_files_appear(watched: Watched, quiet_home: Machine) -> None:
    """A changed route or a declined tier in config.toml appears without a request."""
    page = watched.open(stage.url(quiet_home))
    before = quiet_home.config.read_bytes()
    quiet_home.config.write_bytes(before.replace(b":%d/" % quiet_home.port, b":9/"))
    page.get_by_text("but config.toml does not point at it").wait_for()
    assert "attention" in (page.locator("#diagnosis").get_attribute("class") or "")
    quiet_home.config.write_bytes(b'service_tier = "default"\n' + before)
    page.get_by_text(
        "the proxy adds no tier, because Codex's configuration names another service_tier than fast"
    ).wait_for()
    quiet_home.config.write_bytes(before)
    page.get_by_text("Ready: ").wait_for()


def test_the_past_is_shown(watched: Watched, busy_home: Machine) -> None:
    """The page shows counts, rows, medians, the benchmark's interval, metadata requests and the journal."""
    page = watched.open(stage.url(busy_home))
    chain = page.locator(".chain strong").all_text_contents()
    assert ["47 of 63", "46 of 47", "46 of 46", "1.46 \u00d7"] == chain
    assert 14 == page.locator("tr.request").count()
    page.get_by_role("button", name="Show all 64").click()
    assert 64 == page.locator("tr.request").count()
    assert "90 % confidence interval of 8 pairs" in (page.locator("#benchmark").text_content() or "")
    assert "GET /v1/models" in (page.locator("#checks").text_content() or "")
    assert "GET" not in (page.locator("#requests").text_content() or "")
    assert "install" in (page.locator("#journal").text_content() or "")
    label = page.locator("svg.chart").first.get_attribute("aria-label") or ""
    assert re.match(r"First output of 63 responses over time\. priority: median \d+ ms of 46", label)
    assert 63 == page.locator("svg.chart").first.locator(".mark").count()


def test_the_sums_are_shown(watched: Watched, busy_home: Machine) -> None:
    """Tokens by model at first; another name and another time are chosen by buttons, which keep the focus."""
    page = watched.open(stage.url(busy_home))
    usage = page.locator("#usage")
    usage.locator("tfoot").wait_for()
    names = [name.text_content() for name in usage.locator("tbody th").all()]
    assert {stage.FAST, stage.SLOW} <= set(names)
    totals = usage.locator("tfoot td").all_text_contents()
    assert "64" == totals[0]
    usage.get_by_role("button", name="Kind").click()
    usage.get_by_text("subagent").wait_for()
    assert "true" == page.evaluate("document.activeElement.getAttribute('aria-pressed')")
    usage.get_by_role("button", name="All").click()
    usage.locator("button[aria-pressed=true]", has_text="All").wait_for()
    assert "64" == usage.locator("tfoot td").first.text_content()


def test_evidence_about_models_is_shown(browser: Browser, tmp_path: Path) -> None:
    """Another name in the answers and a count that recurs have a sentence each, and the row has the other name."""
    with DemoProvider(key=KEY) as upstream:
        machine = Machine(root=tmp_path / "m", upstream=upstream)
        base, now = upstream.base_url, stage.now()
        usage = {"output_tokens": 600, "reasoning_tokens": 516}
        lines = [
            stage.line(
                now,
                number,
                upstream_base=base,
                usage=usage,
                ending="completed",
                response_model="small" if number == 8 else None,
            )
            for number in range(9)
        ]
        try:
            stage.install(machine, lines)
            with window(browser) as watched:
                page = watched.open(stage.url(machine))
                page.get_by_text("516 (9 times)").wait_for()
                sentences = page.locator("#models").text_content() or ""
                assert "Of 1 answers to requests for gpt-5.5, 1 named small." in sentences
                assert ["small"] == page.locator("tr.request .model .tag").all_text_contents()
                assert [] == page.evaluate(TOO_FAINT)
                assert [] == watched.complaints
        finally:
            machine.end_everything()


def test_a_request_opens_to_what_is_known(watched: Watched, busy_home: Machine) -> None:
    """A row opens by keyboard; the focus stays, and a new turn does not close it."""
    page = watched.open(stage.url(busy_home))
    page.keyboard.press("Tab")
    assert "Skip to the last responses" == page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "opener":
            break
    page.keyboard.press("Enter")
    detail = page.locator("tr.detail")
    text = detail.text_content() or ""
    assert all(word in text for word in ("/v1/responses", "Policy in effect", "Tokens", "Tier in the response"))
    opener = page.locator("button.opener[aria-expanded=true]")
    assert opener.get_attribute("aria-controls") == detail.get_attribute("id")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded') === 'true'")
    page.keyboard.press("Enter")
    assert 0 == detail.count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(browser: Browser, busy_home: Machine, scheme: str) -> None:
    """Every text has AA contrast, open rows too, and every element has an accessible name."""
    with window(browser, scheme=scheme) as watched:
        page = watched.open(stage.url(busy_home))
        page.locator("button.opener").first.click()
        assert [] == page.evaluate(TOO_FAINT)
        assert [] == page.evaluate(NAMELESS)
        assert ["H1", "H2"] == sorted(
            set(page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((e) => e.tagName)"))
        )
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"
        assert (scheme == "dark") == dark
        assert [] == watched.complaints


def test_it_fits_every_window(browser: Browser, busy_home: Machine) -> None:
    """No window from a phone's width on scrolls sideways, with an open row too."""
    with window(browser) as watched:
        page = watched.open(stage.url(busy_home))
        page.locator("button.opener").first.click()
        page.locator("#usage tfoot").wait_for()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate(REDRAWN)
            assert width == page.evaluate("document.documentElement.scrollWidth")
        assert [] == watched.complaints


def test_a_link_from_elsewhere_opens_it(browser: Browser, busy_home: Machine) -> None:
    """Another site may link to the page, but neither frame it nor read its data."""
    url = stage.url(busy_home)
    with window(browser) as watched:
        page = watched.page
        page.route(
            "http://elsewhere.example/",
            lambda route: route.fulfill(body=f'<a href="{url}">x</a>', content_type="text/html"),
        )
        page.goto("http://elsewhere.example/")
        status = page.evaluate(
            "async (url) => { try { return (await fetch(url)).status } catch (error) { return 'refused' } }",
            stage.url(busy_home, "/__codex_fast_proxy/api/state"),
        )
        assert "refused" == status
        page.click("a")
        page.locator("body[data-live=yes]").wait_for()
