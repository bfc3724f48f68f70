"""A browser at a running worker: its responses, the denial of other sites, and the cost for the worker."""

from __future__ import annotations

import asyncio
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
USAGE = f"{API_PATH}/usage/".encode()
NAMES = sorted(item.name for item in files("cfp.proxy.dashboard").joinpath("static").iterdir())


async def next_event(client: Client) -> tuple[str, Any]:
    """Return (name, data) of the next event, without heartbeats."""
    while True:
        block = (await client.reader.readuntil(b"\n\n")).decode()
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            return fields["event"], json.loads(fields["data"])


async def look_on(running: Running) -> tuple[Client, dict[str, Any]]:
    """Open the event stream; return the client and the first event's data."""
    client = await running.client(limit=1 << 24)
    client.get(EVENTS)
    assert b"HTTP/1.1 200 OK" == (await client.head()).start
    name, state = await next_event(client)
    assert "all" == name
    return client, state


async def until(client: Client, event_name: str) -> Any:
    """Return the data of the next event of that name."""
    while True:
        name, data = await next_event(client)
        if name == event_name:
            return data


@pytest.mark.parametrize("path", [b"/", b"/v1", b"/v1/", b"/v1?x=1", PAGE])
@asynchronous
async def test_a_browser_gets_the_page(tmp_path: Path, path: bytes) -> None:
    """A browser gets the page at its path, and at the root and the base, which is the URL in config.toml."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(path, HTML)
        response = await client.response()
        assert b"HTTP/1.1 200 OK" == response.start
        assert b"text/html; charset=utf-8" == response.get(b"content-type")
        assert assets.POLICY.encode() == response.get(b"content-security-policy")
        assert [] == provider.requests
        await client.close()


@pytest.mark.parametrize("path", [b"/v1", b"/v1/", b"/v1/models"])
@asynchronous
async def test_a_program_reaches_the_provider(tmp_path: Path, path: bytes) -> None:
    """A request that does not accept HTML is forwarded."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(path, b"Accept: application/json")
        assert b"HTTP/1.1 200 OK" == (await client.response()).start
        assert 1 == len(provider.requests)
        await client.close()


@pytest.mark.parametrize("name", NAMES)
@asynchronous
async def test_every_file_of_the_page_is_served(tmp_path: Path, name: str) -> None:
    """Each file is served with its content type, and without its body on HEAD."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        path = PAGE + b"/" + name.encode()
        client.get(path)
        response = await client.response()
        assert files("cfp.proxy.dashboard").joinpath("static", name).read_bytes() == response.body
        assert b"nosniff" == response.get(b"x-content-type-options")
        client.send(b"HEAD %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (path, client.port))
        assert str(len(response.body)).encode() == (await client.head()).get(b"content-length")
        client.get(path)
        assert response.body == (await client.response()).body
        await client.close()


@asynchronous
async def test_an_offer_of_http2_is_declined(tmp_path: Path) -> None:
    """`curl --http2` gets the page over HTTP/1.1, and the connection closes: nothing behind an Upgrade is parsed."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(PAGE, b"Connection: Upgrade", b"Upgrade: h2c")
        response = await client.response()
        assert (b"HTTP/1.1 200 OK", b"close") == (response.start, response.get(b"connection"))
        assert b"" == await client.closed()
        await client.close()


def start_line(home: Path, path: bytes, *fields: bytes, method: bytes = b"GET") -> str:
    """Return the start line of the response to one request."""
    lines_read: list[bytes] = []

    @asynchronous
    async def ask() -> None:
        async with upstream() as provider, worker(home, provider.base) as running:
            client = await running.client()
            lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: 127.0.0.1:%d" % client.port, *fields, b"", b""]
            client.send(b"\r\n".join(lines))
            lines_read.append((await client.head()).start)
            await client.close()

    ask()
    return lines_read[0].decode().partition(" ")[2]


@pytest.mark.parametrize("path", [b"/", b"/v1", PAGE])
def test_a_link_leads_to_the_page(tmp_path: Path, path: bytes) -> None:
    """A link of another site opens the page: that site cannot read it."""
    assert "200 OK" == start_line(tmp_path, path, *LINK)


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
    """Frames, scripts, fetches, and links to anything but the page are denied."""
    assert "403 Forbidden" == start_line(tmp_path, path, *fields)


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
    """Only GET and HEAD are served."""
    assert expected == start_line(tmp_path, path, method=method)


@asynchronous
async def test_the_sums_are_those_of_the_log(tmp_path: Path) -> None:
    """The page gets the sums of ledger and log by a name and a time, and a second look has the newest request."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        running.worker.remember()
        client = await running.client()
        for count in (1, 2):
            client.post(b'{"model":"m"}', b"Thread-Id: thread-1")
            await client.response()
            async with asyncio.timeout(20):
                while True:  # the log is written by a thread, which has no event for it
                    client.get(USAGE + b"session/1")
                    sums = json.loads((await client.response()).body)
                    if sums["total"]["requests"] == count:
                        break
            assert [("thread-1", count)] == [(row["session"], row["requests"]) for row in sums["rows"]]
            assert (True, 0) == (sums["readable"], sums["more"])
        await client.close()


@pytest.mark.parametrize("path", [b"hour/1", b"day/2", b"day", b"", b"day/1/1", b"day/%31"])
@asynchronous
async def test_other_sums_are_not_found(tmp_path: Path, path: bytes) -> None:
    """A name or a time that the page does not offer is no resource."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        client.get(USAGE + path)
        assert b"HTTP/1.1 404 Not Found" == (await client.response()).start
        await client.close()


@asynchronous
async def test_a_ledger_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Its panel says so, and the rest of the page stays."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        running.layout.ledger.write_bytes(b"{")
        client = await running.client()
        client.get(USAGE + b"day/all")
        assert not json.loads((await client.response()).body)["readable"]
        await client.close()


@asynchronous
async def test_a_turn_is_an_event(tmp_path: Path) -> None:
    """A turn is sent as an event; the page's own requests are not counted as running or served, and not logged."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watcher, state = await look_on(running)
        assert [] == state["requests"]
        assert 0 == state["worker"]["requests_in_flight"]
        client = await running.client()
        client.post(b'{"model":"m"}')
        await client.response()
        (row,) = await until(watcher, "requests")
        assert ("generation", "ok", "priority", "m") == (
            row["purpose"],
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
async def test_the_state_can_be_requested(tmp_path: Path) -> None:
    """Programs can request the state, on a connection that stays usable."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        client = await running.client()
        for _ in range(2):
            client.get(STATE)
            state = json.loads((await client.response()).body)
            assert "not_enabled" == state["verdict"]["code"]
            assert provider.base == state["route"]["upstream_base"]
        await client.close()


@asynchronous
async def test_a_drain_closes_event_streams(tmp_path: Path) -> None:
    """A drain closes event streams at once, also one without an event so far: the page then reconnects."""
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
async def test_event_streams_are_bounded(tmp_path: Path) -> None:
    """One stream too many closes the oldest one; a closed one makes room."""
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
async def test_a_slow_page_costs_no_more_memory(tmp_path: Path) -> None:
    """A page that does not read gets no further events; the last requests are kept for it, the rest is dropped."""
    async with upstream() as provider, worker(tmp_path, provider.base) as running:
        watcher, _ = await look_on(running)
        (feed,) = running.worker.dashboard._feeds
        feed._client.write_paused = True  # as asyncio reports a full write buffer
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
    """Each import and link leads to a file of the page; nothing is inline, nothing comes from elsewhere."""
    static = files("cfp.proxy.dashboard").joinpath("static")
    page = static.joinpath("index.html").read_text()
    texts = {name: static.joinpath(name).read_text() for name in NAMES}
    linked = re.findall(rf'(?:src|href)="{DASHBOARD_PATH}/([^"]+)"', page)
    imported = [name for text in texts.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    assert set(NAMES) - {"index.html"} == {*linked, *imported}
    assert [] == re.findall(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", page)
    outside = {name: re.findall(r"https?://[^\s\"']+", text) for name, text in texts.items()}
    assert {"http://www.w3.org/2000/svg"} == {link for links in outside.values() for link in links}
