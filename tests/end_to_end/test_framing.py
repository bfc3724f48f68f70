"""Forms of a response from a raw socket: the real Codex directly and through the worker, and the verification."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.end_to_end.harness import PROVIDER, Machine, relay_config
from tests.host.servers import serving
from tests.proxy.framing import BY_NAME, TEXT, Form

ACCEPTED = (
    "two equal lengths",
    "length behind chunked",
    "line feeds alone, chunked",
    "390 KB",
    "identity and a shorter length",
    "spaces behind sizes",
    "no content type",
)
REFUSED = ("two different lengths", "line feeds alone behind sizes", "101 fields")
ONCE = "request_max_retries = 0\nstream_max_retries = 0\n"


@dataclass(slots=True)
class RawProvider:
    """A provider that answers each POST with the bytes of a form, and closes."""

    form: Form
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def behave(self, connection: socket.socket, request: bytes) -> None:
        connection.sendall(
            self.form.response if request.startswith(b"POST") else b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n"
        )
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@contextmanager
def raw_provider(codex: Machine) -> Iterator[RawProvider]:
    """Install the proxy for a raw provider, which sends a plain response at first."""
    provider = RawProvider(BY_NAME["a length"])
    with serving(provider.behave) as server:
        provider.port = server.port
        codex.write("config.toml", relay_config(provider.base_url, table=ONCE))
        codex.install()
        yield provider


def outcomes(codex: Machine, provider: RawProvider) -> tuple[bool, bool, bool]:
    """Return whether a turn goes well directly, whether the route is verified, and whether a turn through it does."""
    direct = codex.codex_exec("-c", f'model_providers.{PROVIDER}.base_url="{provider.base_url}"')
    verified = codex.cfp("verify-upstream")
    through = codex.codex_exec()
    return TEXT in direct.stdout, verified.json["status"] == "verified", TEXT in through.stdout


@pytest.mark.parametrize("names", [ACCEPTED, REFUSED], ids=["accepted", "refused"])
def test_direct_verified_and_served_are_one(codex: Machine, names: tuple[str, ...]) -> None:
    """A form that direct Codex accepts is verified and served; one that it refuses is neither."""
    with raw_provider(codex) as provider:
        seen = {}
        for name in names:
            provider.form = BY_NAME[name]
            seen[name] = outcomes(codex, provider)
    assert seen == dict.fromkeys(names, (names is ACCEPTED,) * 3)
