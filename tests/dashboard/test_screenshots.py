"""The screenshots of the documents: each state of the dashboard, made by `nox -s screenshots`.

Look at each picture before you commit it.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import stage
from tests.dashboard.browser import launched, window
from tests.dashboard.states import in_state
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.house.source import REPOSITORY

IMAGES = REPOSITORY / "docs" / "images"
LARGEST = 200_000
# name -> (state, width, height, colour scheme, number of open rows)
SHOTS: dict[str, tuple[str, int, int, str, int]] = {
    "dashboard": ("ready", 1280, 860, "light", 0),
    "dashboard-dark": ("ready", 1280, 860, "dark", 0),
    "dashboard-requests": ("ready", 1280, 860, "light", 1),
    "dashboard-narrow": ("ready", 360, 1400, "light", 0),
    "dashboard-empty": ("empty", 1280, 860, "light", 0),
    "dashboard-degraded": ("away", 1280, 860, "light", 0),
    "dashboard-busy": ("busy", 1280, 860, "dark", 0),
}


@pytest.mark.skipif(os.environ.get("CFP_TEST_WRITE_SCREENSHOTS") != "1", reason="taken by nox -s screenshots")
@pytest.mark.parametrize("name", SHOTS)
def test_take(name: str, tmp_path: Path) -> None:
    """The real program reaches the state, and a real browser takes the picture."""
    state, width, height, scheme, opened = SHOTS[name]
    with ExitStack() as stack:
        machine = Machine(root=tmp_path / "machine", upstream=stack.enter_context(Listener(key=KEY)))
        stack.callback(machine.end_everything)
        stack.enter_context(in_state(machine, state))
        browser: Any = stack.enter_context(launched())
        watched = stack.enter_context(window(browser, width=width, height=height, scheme=scheme))
        page = watched.open(stage.url(machine))
        page.locator("#usage :is(table, .empty)").wait_for()
        for row in range(opened):
            page.locator("button.opener").nth(row + 1).click()
            page.evaluate("document.querySelector('#requests').scrollIntoView()")
        if state == "busy":
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
        page.parent / target
        for page in pages
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert set() == {path for path in linked if not path.exists()}
