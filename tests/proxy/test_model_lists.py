"""Codex's request for the catalogue of models, between real sockets and with a CLI that is a script."""

from __future__ import annotations

import gzip
import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.support import Call, Request, answer, asynchronous, upstream, worker

FOR_CODEX = b"/v1/models?client_version=0.171.0"
OWN = b"/__codex_fast_proxy/models?client_version=0.171.0"
LIST = json.dumps({"object": "list", "data": [{"id": "relay/openai/gpt-5.5"}, {"id": "other"}]}).encode()
CATALOG = b'{"models": [{"slug": "mine",  "context_window": 7, "service_tiers": []}]}'
BUNDLED = {
    "slug": "gpt-5.5",
    "display_name": "GPT-5.5",
    "context_window": 272000,
    "service_tiers": [{"id": "priority"}],
}
ALIAS = {**BUNDLED, "slug": "relay/openai/gpt-5.5", "display_name": "relay/openai/gpt-5.5"}


def cli(folder: Path, version: str = "0.171.0", entries: Any = (BUNDLED,)) -> Mapping[str, str]:
    """The environment of a machine whose `codex` is a script of this version."""
    says, prints = f"codex-cli {version}", json.dumps({"models": entries})
    source = f"import sys\nprint({says!r} if '--version' in sys.argv else {prints!r})\n"
    folder.mkdir()
    if sys.platform == "win32":
        (folder / "codex.py").write_text(source)
        (folder / "codex.cmd").write_text(f'@"{sys.executable}" -IS "%~dp0codex.py" %*\n')
    else:
        program = folder / "codex"
        program.write_text(f"#!{sys.executable} -IS\n{source}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": str(folder)}


async def ask(
    tmp_path: Path, sent: bytes, target: bytes = FOR_CODEX, environ: Mapping[str, str] | None = None, **settings: Any
) -> Request:
    """Return the worker's response to a GET; the connection serves on, and the provider has one request."""

    async def relay(call: Call) -> None:
        await call.send(sent)

    async with upstream(relay) as up, worker(tmp_path, up.base, environ=environ, **settings) as running:
        client = await running.client()
        client.get(target)
        response = await client.response()
        client.get(b"/__codex_fast_proxy/health")
        assert (await client.response()).start.endswith(b"200 OK")
        await client.close()
        assert [b"GET /api/v1/models"] == [
            one.start.partition(b"?")[0].removesuffix(b" HTTP/1.1") for one in up.requests
        ]
    assert [int(response.start.split()[1])] == [line["status"] for line in running.log()[:1]]
    return response


def models(response: Request) -> Any:
    assert (b"HTTP/1.1 200 OK", b"application/json") == (response.start, response.get(b"content-type"))
    return json.loads(response.body)["models"]


@pytest.mark.parametrize("target", [FOR_CODEX, OWN])
@pytest.mark.parametrize(
    "sent",
    [
        answer(LIST),
        answer(gzip.compress(LIST), b"200 OK", b"Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LIST), LIST),
    ],
    ids=["plain", "gzip", "chunks"],
)
def test_a_list_becomes_a_catalogue(tmp_path: Path, sent: bytes, target: bytes) -> None:
    """All bundled entries, and one for each name that Codex does not know to mean one of them."""

    @asynchronous
    async def run() -> None:
        assert [BUNDLED, ALIAS] == models(await ask(tmp_path, sent, target, cli(tmp_path / "bin")))

    run()


@pytest.mark.parametrize("sent", [answer(LIST), answer(b"no", b"404 Not Found")], ids=["list", "404"])
@pytest.mark.parametrize("version", [None, "0.172.0"])
def test_without_codexs_entries_the_catalogue_is_empty(tmp_path: Path, sent: bytes, version: str | None) -> None:
    """No CLI, or one of another version than the Codex that asks: that one keeps its own catalogue."""

    @asynchronous
    async def run() -> None:
        environ = None if version is None else cli(tmp_path / "bin", version)
        assert [] == models(await ask(tmp_path, sent, environ=environ))

    run()


@pytest.mark.parametrize(
    "sent",
    [
        answer(CATALOG),
        answer(b"{}"),
        answer(b"<html>"),
        answer(LIST, b"401 Unauthorized"),
        answer(b"busy", b"503 Busy"),
        answer(LIST, b"200 OK", b"Content-Encoding: br"),
        answer(LIST[:-1] + b" " * (5 << 20) + b"}"),
    ],
    ids=["catalogue", "another form", "a page", "401", "503", "unknown coding", "too long"],
)
def test_any_other_answer_passes_as_it_is(tmp_path: Path, sent: bytes) -> None:
    """The provider's own catalogue above all: byte for byte, with its status."""

    @asynchronous
    async def run() -> None:
        response = await ask(tmp_path, sent, environ=cli(tmp_path / "bin"))
        assert (sent.partition(b"\r\n")[0], sent.partition(b"\r\n\r\n")[2]) == (response.start, response.body)

    run()


@asynchronous
async def test_a_program_that_is_no_codex_gets_the_list(tmp_path: Path) -> None:
    """Only Codex names its version in the query."""
    assert LIST == (await ask(tmp_path, answer(LIST), b"/v1/models", cli(tmp_path / "bin"))).body


@pytest.mark.parametrize(
    "sent",
    [
        answer(b"no", b"404 Not Found"),
        answer(b"no", b"401 Unauthorized"),
        answer(b"", b"302 Found", b"Location: https://other.example/"),
        answer(b"<html>"),
        b"",
    ],
    ids=["404", "401", "redirect", "a page", "nothing"],
)
@pytest.mark.parametrize("version", ["0.171.0", "0.172.0"])
def test_at_our_own_address_no_answer_takes_the_entries_away(tmp_path: Path, sent: bytes, version: str) -> None:
    """There Codex knows no other catalogue, so that of another version is better than none."""

    @asynchronous
    async def run() -> None:
        async def relay(call: Call) -> None:
            await call.send(sent)
            if not sent:
                call.writer.close()

        environ = cli(tmp_path / "bin", version)
        async with upstream(relay) as up, worker(tmp_path, up.base, environ=environ) as running:
            client = await running.client()
            client.get(OWN)
            assert [BUNDLED] == models(await client.response())
            await client.close()

    run()


@asynchronous
async def test_a_provider_that_is_away_takes_no_entries_away(tmp_path: Path) -> None:
    """Its own key is missing, or it cannot be reached: at our address Codex gets its entries all the same."""
    async with worker(tmp_path, "http://127.0.0.1:9/v1", environ=cli(tmp_path / "bin")) as running:
        client = await running.client()
        client.get(OWN)
        assert [BUNDLED] == models(await client.response())
        client.get(FOR_CODEX)
        assert b"HTTP/1.1 502 Bad Gateway" == (await client.response()).start
        await client.close()


@asynchronous
async def test_the_providers_own_entries_get_tiers_at_our_address(tmp_path: Path) -> None:
    """An entry without a word on tiers gets the one that the user wants, an empty list stays; Codex's own follow."""
    own = [{"slug": "mine", "context_window": 7}, {"slug": "slow", "service_tiers": []}]
    response = await ask(tmp_path, answer(json.dumps({"models": own}).encode()), OWN, cli(tmp_path / "bin"))
    mine, slow, bundled = models(response)
    assert ("mine", 7, ["priority"]) == (
        mine["slug"],
        mine["context_window"],
        [one["id"] for one in mine["service_tiers"]],
    )
    assert (own[1], BUNDLED) == (slow, bundled)


@asynchronous
async def test_a_refused_tier_is_not_offered(tmp_path: Path) -> None:
    """The provider refuses priority for a model: Codex gets its catalogue without that tier of it."""

    async def relay(call: Call) -> None:
        if call.request.start.startswith(b"GET"):
            await call.send(answer(b"no", b"404 Not Found"))
        elif b"priority" in call.request.body:
            await call.send(answer(b'{"error":{"message":"service_tier"}}', b"400 Bad Request"))
        else:
            await call.send(answer())

    async with upstream(relay) as up, worker(tmp_path, up.base, environ=cli(tmp_path / "bin")) as running:
        client = await running.client()
        client.get(FOR_CODEX)
        assert [] == models(await client.response())
        client.post(b'{"model":"gpt-5.5"}')
        await client.response()
        client.get(FOR_CODEX)
        assert [{**BUNDLED, "service_tiers": []}] == models(await client.response())
        await client.close()


@asynchronous
async def test_two_requests_at_once_run_the_cli_once(tmp_path: Path) -> None:
    """Codex asks twice as it starts."""

    async def relay(call: Call) -> None:
        await call.send(answer(LIST))

    async with upstream(relay) as up, worker(tmp_path, up.base, environ=cli(tmp_path / "bin")) as running:
        clients = [await running.client() for _ in range(2)]
        for client in clients:
            client.get(FOR_CODEX)
        first, second = [models(await client.response()) for client in clients]
        assert [BUNDLED, ALIAS] == first == second
        for program in (tmp_path / "bin").iterdir():
            program.unlink()
        clients[0].get(FOR_CODEX)
        assert first == models(await clients[0].response())
        for client in clients:
            await client.close()
