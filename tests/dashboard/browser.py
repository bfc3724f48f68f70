"""A real browser on the page: chromium driven by Playwright, with a record of its errors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")

# Text with too little contrast to its background (WCAG 2.2, 1.4.3); every background of the page is one colour.
TOO_FAINT = (Path(__file__).parent / "too_faint.js").read_text()

# Elements without a name for a screen reader.
NAMELESS = (Path(__file__).parent / "nameless.js").read_text()

# axe-core's rules of WCAG 2.1, A and AA, and its best practices.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")


def missing(reason: str) -> None:
    """Skip the test, or fail it where a browser is required."""
    if os.environ.get("CFP_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def launched() -> Iterator[Browser]:
    """Launch a browser process; skip the test where there is none."""
    program = os.environ.get("CFP_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        missing("no chromium is installed")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  it may be missing
    except ModuleNotFoundError:
        missing("playwright is not installed")
    # no-sandbox: chromium requires it for root. Grey text edges keep pictures small; coloured ones do not.
    flags = [*(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []), "--disable-lcd-text"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()


def findings(page: Page) -> list[str]:
    """Return what axe-core finds: the rule and the element of each finding."""
    from axe_playwright_python.base import AXE_SCRIPT  # noqa: PLC0415  it may be missing, as playwright

    page.evaluate(AXE_SCRIPT)
    options = {"runOnly": {"type": "tag", "values": list(RULES)}, "resultTypes": ["violations"]}
    result = page.evaluate("(options) => axe.run(document, options)", options)
    return [f"{one['id']}: {node['html'][:160]}" for one in result["violations"] for node in one["nodes"]]


class Watched:
    """A page and its `complaints`: console errors, exceptions, and requests that left loopback."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on(
            "console", lambda message: message.type in {"error", "warning"} and self.complaints.append(message.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._requested)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            self.complaints.append(f"asked for {request.url}")

    def open(self, url: str) -> Page:
        """Open a URL, and return once the page has the worker's state."""
        self.page.goto(url)
        self.page.locator("body[data-live=yes]").wait_for()
        return self.page


@contextmanager
def window(
    browser: Browser, *, width: int = 1280, height: int = 800, scheme: Any = "light", motion: Any = None
) -> Iterator[Watched]:
    """Open a window of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion=motion,
        accept_downloads=True,
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    )
    context.set_default_timeout(20_000)
    try:
        yield Watched(context.new_page())
    finally:
        context.close()
