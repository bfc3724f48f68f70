"""The screenshots of the documents: each state of the dashboard, made by `nox -s screenshots`.

Look at each picture before you commit it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cfp.demo.scripted_turns import Stall
from tests.dashboard import stage
from tests.dashboard.browser import launched, window
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.house.source import REPOSITORY

IMAGES = REPOSITORY / "docs" / "images"
LARGEST = 200_000
RELAY = "https://relay.example/v1"
NO_NETWORK = ("--upstream-base", RELAY, "--no-verify")


def _healthy(machine: Machine) -> None:
    now = stage.now()
    saved = stage.benchmark(RELAY, now - timedelta(days=6))
    stage.install(machine, stage.past(RELAY, now - timedelta(seconds=40)), saved, *NO_NETWORK)


def _empty(machine: Machine) -> None:
    stage.install(machine, [], None, *NO_NETWORK)


def _degraded(machine: Machine) -> None:
    now = stage.now()
    lines = stage.past(RELAY, now - timedelta(minutes=2))
    answer = {"status": 401, "response_service_tier": None, "usage": None, "upstream_base": RELAY}
    times = {"first_byte_ms": 131.5, "upstream_ms": 128.0, "duration_ms": 133.1}
    refused = [
        stage.line(now - timedelta(seconds=20 * number), 2000 + number, **answer, **times) for number in (3, 2, 1)
    ]
    stage.install(machine, [*lines, *refused], None, *NO_NETWORK)


def _busy(machine: Machine) -> None:
    base, now = machine.upstream.base_url, stage.now()
    stage.install(machine, stage.past(base, now - timedelta(seconds=9), turns=100))
    machine.upstream.script(*[Stall(after_first_event=True)] * 5)


@contextmanager
def _five_running(machine: Machine) -> Iterator[None]:
    with stage.running(machine, 5):
        yield


# name -> (preparation, width, height, colour scheme, number of open rows)
SHOTS: dict[str, tuple[Callable[[Machine], None], int, int, str, int]] = {
    "dashboard": (_healthy, 1280, 860, "light", 0),
    "dashboard-dark": (_healthy, 1280, 860, "dark", 1),
    "dashboard-narrow": (_healthy, 360, 1400, "light", 0),
    "dashboard-empty": (_empty, 1280, 860, "light", 0),
    "dashboard-degraded": (_degraded, 1280, 860, "light", 0),
    "dashboard-busy": (_busy, 1280, 860, "dark", 0),
}


@pytest.mark.skipif(os.environ.get("CFP_TEST_WRITE_SCREENSHOTS") != "1", reason="taken by nox -s screenshots")
@pytest.mark.parametrize("name", SHOTS)
def test_take(name: str, tmp_path: Path) -> None:
    """The real program reaches the state, and a real browser takes the picture."""
    prepare, width, height, scheme, opened = SHOTS[name]
    with ExitStack() as stack:
        machine = Machine(root=tmp_path / "machine", upstream=stack.enter_context(Listener(key=KEY)))
        stack.callback(machine.end_everything)
        prepare(machine)
        if prepare is _busy:
            stack.enter_context(_five_running(machine))
        browser: Any = stack.enter_context(launched())
        watched = stack.enter_context(window(browser, width=width, height=height, scheme=scheme))
        page = watched.open(stage.url(machine))
        for row in range(opened):
            page.locator("button.opener").nth(row + 1).click()
        if prepare is _busy:
            page.get_by_text("5 running").wait_for()
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
        assert [] == watched.complaints


def test_the_pictures_are_there() -> None:
    """Each state has its picture, no other picture is there, and none is large."""
    assert set(SHOTS) == {path.stem for path in IMAGES.glob("dashboard*.png")}
    assert {} == {path.name: size for path in IMAGES.iterdir() if (size := path.stat().st_size) > LARGEST}


def test_pages_show_pictures_that_are_there() -> None:
    """README and docs link to files of the repository."""
    pages = (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"))
    linked = {
        page.parent / target for page in pages for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())
    }
    assert set() == {path for path in linked if not path.exists()}
