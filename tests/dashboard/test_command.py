"""The `dashboard` command: it opens the page in a browser, or prints its URL, or says why there is none."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from cfp.commands.dashboard import page_url
from cfp.core.facts import PortFact, PortState
from cfp.host.system.browser import open_page
from cfp.layout import API_PATH
from tests.dashboard import stage
from tests.end_to_end.harness import KEY, Machine
from tests.programs import write_program

URL = "http://127.0.0.1:9/__codex_fast_proxy/dashboard"


def browser(folder: Path, code: int = 0) -> tuple[str, Path]:
    """Return a browser program that prints noise, and the file to which it writes its URL."""
    note = folder / "note"
    write = f"pathlib.Path({str(note)!r}).write_text(sys.argv[1])"
    script = f"import pathlib, sys\nprint('noise')\n{write}\nsys.exit({code})\n"
    program = write_program(folder / "browser", script)
    return program.as_posix(), note  # Python takes a backslash in BROWSER for a quote


def body_of(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  a loopback URL of our own
        return bytes(answer.read())


def test_the_running_proxy_has_a_page(machine: Machine, tmp_path: Path) -> None:
    """The browser gets the page's URL; its own output is dropped, no key is sent, and a stopped proxy is refused."""
    refused = machine.cfp("dashboard")
    assert (2, "settings_missing") == (refused.code, refused.json["code"])
    stage.install(machine, [])
    printed = machine.cfp("dashboard", "--no-open")
    assert (0, "found", stage.url(machine), False) == (
        printed.code,
        printed.json["status"],
        printed.json["url"],
        printed.json["opened"],
    )
    machine.environ["BROWSER"], note = browser(tmp_path)
    opened = machine.cfp("dashboard")
    assert ("opened", True, "") == (opened.json["status"], opened.json["opened"], opened.stderr)
    assert stage.url(machine) == note.read_text()
    assert b"codex-fast-proxy" in body_of(printed.json["url"])
    assert 200 == stage.turn(machine)
    with urllib.request.urlopen(stage.url(machine, f"{API_PATH}/events")) as events:  # noqa: S310  the same
        received = b""
        while b'"path":"/v1/responses"' not in received:
            received += events.readline()
    assert KEY.encode() not in received + body_of(stage.url(machine, f"{API_PATH}/state"))
    assert KEY not in machine.cfp("logs").stdout
    assert 0 == machine.cfp("stop", "--force").code
    stopped = machine.cfp("dashboard")
    assert (2, "proxy_not_running") == (stopped.code, stopped.json["code"])


@pytest.mark.posix("a computer without any other browser")
def test_a_browser_that_fails_is_reported(tmp_path: Path) -> None:
    """The browser's exit code is reported."""
    program, note = browser(tmp_path, code=3)
    assert not open_page(URL, {**os.environ, "BROWSER": program})
    assert URL == note.read_text()


@pytest.mark.posix("a screen named by variables", needs="linux")
def test_without_a_screen_nothing_is_opened(tmp_path: Path) -> None:
    """Without a display no browser is started: one for terminals would take this one."""
    program, note = browser(tmp_path)
    (tmp_path / "www-browser").symlink_to(program)
    assert not open_page(URL, {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert not note.exists()


@pytest.mark.parametrize(
    ("host", "url_host"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")]
)
def test_the_url_is_valid(host: str, url_host: str) -> None:
    """The page's URL is valid for IPv6 addresses too."""
    worker = PortFact(host=host, port=9, state=PortState.OURS)
    assert f"http://{url_host}:9/__codex_fast_proxy/dashboard" == page_url(worker)
