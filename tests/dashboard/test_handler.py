"""A browser at a running worker: what it is served, who else is not, and what looking on costs the worker."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cfp.layout import API_PATH, DASHBOARD_PATH
from cfp.proxy.dashboard import assets, handler
from tests.proxy.support import Client, Running, asynchronous, upstream, worker

HTML = b"Accept: text/html,application/xhtml+xml"
LINK = (HTML, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: document")
PAGE = DASHBOARD_PATH.encode()
STATE = f"{API_PATH}/state".encode()
EVENTS = f"{API_PATH}/events".encode()
NAMES = sorted(item.name for item in files("cfp.proxy.dashboard").joinpath("static").iterdir())


async def next_event(client: Client) -> tuple[str, Any]:
    """(name, data) of the next event; beats and the time to wait are passed over."""
    while True:
        block = (await client.reader.readuntil(b"\n\n")).decode()
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            return fields["event"], json.loads(fields["data"])


async def look_on(running: Running) -> tuple[Client, dict[str, Any]]:
    """A browser that keeps the events open, and what it was told first."""
    client = await running.client(limit=1 << 24)
    client.get(EVENTS)
    assert b"HTTP/1.1 200 OK" == (await client.head()).start
    name, told = await next_event(client)
    assert "all" == name
    return client, told


async def until(client: Client, wanted: str) -> Any:
    """The data of the next event of that name."""
    while True:
        name, data = await next_event(client)
        if name == wanted:
            return data


@pytest.mark.parametrize("path", [b"/", b"/v1", b"/v1/", b"/v1?x=1", PAGE])
@asynchronous
async def test_a_browser_gets_the_page(tmp_path: Path, path: bytes) -> None:
    """At the root of what is served, too: that is the URL which config.toml shows."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(path, HTML)
        told = await client.response()
        assert b"HTTP/1.1 200 OK" == told.start
        assert b"text/html; charset=utf-8" == told.get(b"content-type")
        assert assets.POLICY.encode() == told.get(b"content-security-policy")
        assert [] == provider.requests
        await client.close()


@pytest.mark.parametrize("path", [b"/v1", b"/v1/", b"/v1/models"])
@asynchronous
async def test_a_program_reaches_the_provider(tmp_path: Path, path: bytes) -> None:
    """Who does not ask for HTML is forwarded, as ever."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(path, b"Accept: application/json")
        assert b"HTTP/1.1 200 OK" == (await client.response()).start
        assert 1 == len(provider.requests)
        await client.close()


@pytest.mark.parametrize("name", NAMES)
@asynchronous
async def test_every_file_of_the_page_is_served(tmp_path: Path, name: str) -> None:
    """As the package has it, with its own type, on HEAD without the body."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        path = PAGE + b"/" + name.encode()
        client.get(path)
        told = await client.response()
        assert files("cfp.proxy.dashboard").joinpath("static", name).read_bytes() == told.body
        assert b"nosniff" == told.get(b"x-content-type-options")
        client.send(b"HEAD %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (path, client.port))
        assert str(len(told.body)).encode() == (await client.head()).get(b"content-length")
        client.get(path)
        assert told.body == (await client.response()).body
        await client.close()


@asynchronous
async def test_an_offer_of_http2_is_declined(tmp_path: Path) -> None:
    """`curl --http2` gets the page over HTTP/1.1, and the connection ends: nothing is read behind an Upgrade."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(PAGE, b"Connection: Upgrade", b"Upgrade: h2c")
        response = await client.response()
        assert (b"HTTP/1.1 200 OK", b"close") == (response.start, response.get(b"connection"))
        assert b"" == await client.closed()
        await client.close()


def asked(home: Path, path: bytes, *fields: bytes, method: bytes = b"GET") -> str:
    """The status of the answer to one request."""
    found: list[bytes] = []

    @asynchronous
    async def ask() -> None:
        async with upstream() as provider, worker(home, provider.base) as running:
            client = await running.client()
            lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: 127.0.0.1:%d" % client.port, *fields, b"", b""]
            client.send(b"\r\n".join(lines))
            found.append((await client.head()).start)
            await client.close()

    ask()
    return found[0].decode().partition(" ")[2]


@pytest.mark.parametrize("path", [b"/", b"/v1", PAGE])
def test_a_link_leads_to_the_page(tmp_path: Path, path: bytes) -> None:
    """A window that goes there from another site; what made it go cannot read what it shows."""
    assert "200 OK" == asked(tmp_path, path, *LINK)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (PAGE, (HTML, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate", b"Sec-Fetch-Dest: iframe")),
        (PAGE, (HTML, b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: no-cors", b"Sec-Fetch-Dest: document")),
        (PAGE, (HTML, b"Sec-Fetch-Site: same-site")),
        (PAGE, (*LINK, b"Origin: https://elsewhere.example")),
        (PAGE, (b"Accept: */*", *LINK[1:])),
        (PAGE + b"/app.js", LINK),
        (STATE, LINK),
        (EVENTS, LINK),
        (STATE, (b"Origin: null",)),
        (b"/v1/models", LINK),
    ],
)
def test_other_sites_get_nothing(tmp_path: Path, path: bytes, fields: tuple[bytes, ...]) -> None:
    """Frames, scripts, fetches, and links to anything but the page."""
    assert "403 Forbidden" == asked(tmp_path, path, *fields)


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        (PAGE, b"POST", "405 Method Not Allowed"),
        (STATE, b"DELETE", "405 Method Not Allowed"),
        (EVENTS, b"HEAD", "405 Method Not Allowed"),
        (PAGE + b"/nothing.js", b"GET", "404 Not Found"),
        (PAGE + b"/../desk.py", b"GET", "404 Not Found"),
        (PAGE + b"/%2e%2e/desk.py", b"GET", "404 Not Found"),
        (API_PATH.encode() + b"/other", b"GET", "404 Not Found"),
        (STATE, b"GET", "200 OK"),
        (PAGE, b"HEAD", "200 OK"),
    ],
)
def test_the_page_only_reads(tmp_path: Path, path: bytes, method: bytes, expected: str) -> None:
    """GET and HEAD of what is there, and nothing else."""
    assert expected == asked(tmp_path, path, method=method)


@asynchronous
async def test_a_turn_is_told_as_it_ends(tmp_path: Path) -> None:
    """Looking on is no request: not in flight, not served, not logged; the turn is all three."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watcher, told = await look_on(running)
        assert [] == told["requests"]
        assert 0 == told["worker"]["requests_in_flight"]
        client = await running.client()
        client.post(b'{"model":"m"}')
        await client.response()
        (row,) = await until(watcher, "requests")
        assert ("generation", "ok", "priority", "m") == (
            row["kind"],
            row["outcome"],
            row["service_tier_after"],
            row["model"],
        )
        assert 1 == (await until(watcher, "state"))["worker"]["requests_served"]
        late, everything = await look_on(running)
        assert [row] == everything["requests"]
        for one in (watcher, late, client):
            await one.close()
    assert 1 == len(running.log())


@asynchronous
async def test_the_state_is_told_once_too(tmp_path: Path) -> None:
    """For programs, on a connection that can be used again."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        for _ in range(2):
            client.get(STATE)
            told = json.loads((await client.response()).body)
            assert "not_enabled" == told["verdict"]["code"]
            assert provider.base == told["route"]["upstream_base"]
        await client.close()


@asynchronous
async def test_draining_ends_what_looks_on(tmp_path: Path) -> None:
    """At once, also one that has not been told anything yet: the page asks the next worker."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watcher, _ = await look_on(running)
        fresh = await running.client()
        fresh.get(EVENTS)
        await fresh.head()
        running.worker.drain()
        await running.worker.wait_closed()
        await watcher.closed()
        await fresh.closed()
        for one in (watcher, fresh):
            await one.close()
        assert [] == running.worker.dashboard._feeds
        assert [] == running.worker.recent_requests._listeners


@asynchronous
async def test_windows_are_bounded(tmp_path: Path) -> None:
    """With one too many the oldest is closed; one that leaves makes room."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watchers = [(await look_on(running))[0] for _ in range(handler.MOST_FEEDS + 1)]
        await watchers[0].closed()
        assert handler.MOST_FEEDS == len(running.worker.dashboard._feeds)
        for one in watchers:
            await one.close()
        await running.worker.stop()
        assert [] == running.worker.dashboard._feeds
        assert [] == running.worker.recent_requests._listeners


@asynchronous
async def test_a_window_that_does_not_read_costs_nothing_more(tmp_path: Path) -> None:
    """What it has not read is not added to: the last requests are kept, the rest is dropped."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watcher, _ = await look_on(running)
        (feed,) = running.worker.dashboard._feeds
        feed._client.write_paused = True  # as asyncio says of a peer whose window is closed
        client = await running.client()
        for number in range(handler.MOST_LINES + 50):
            client.post(b'{"model":"m%d"}' % number)
            await client.response()
        feed._client.write_paused = False
        rows = await until(watcher, "requests")
        assert handler.MOST_LINES >= len(rows)
        while rows[-1]["model"] != f"m{handler.MOST_LINES + 49}":  # the log is written in batches
            rows = await until(watcher, "requests")
        for one in (watcher, client):
            await one.close()


def test_files_name_only_files_that_are_there() -> None:
    """Each import and link of the page leads to one of its files; nothing is inline, nothing comes from elsewhere."""
    static = files("cfp.proxy.dashboard").joinpath("static")
    page = static.joinpath("index.html").read_text()
    texts = {name: static.joinpath(name).read_text() for name in NAMES}
    linked = re.findall(rf'(?:src|href)="{DASHBOARD_PATH}/([^"]+)"', page)
    imported = [name for text in texts.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    assert set(NAMES) - {"index.html"} == {*linked, *imported}
    assert [] == re.findall(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page)
    outside = {name: re.findall(r"https?://[^\s\"']+", text) for name, text in texts.items()}
    assert {"http://www.w3.org/2000/svg"} == {link for found in outside.values() for link in found}
