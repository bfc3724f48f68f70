"""Requests of our own look like Codex's: to the real Codex's requests, and to a relay that admits nothing else."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from cfp.host.provider.codex_client import CodexClient
from tests.end_to_end.harness import Machine, relay_config
from tests.host.servers import serving
from tests.proxy.framing import BODY
from tests.real_codex import Version

OF_THE_CONNECTION = {"host", "content-length", "authorization"}
ADMITTED = re.compile(rb"^user-agent: codex_exec/\d+\.\d+\.\d+ \(", re.MULTILINE | re.IGNORECASE)
NEEDED = (b"\noriginator: codex_exec\r", b"\nsession-id: ", b"\naccept: text/event-stream\r")


def shape(value: str) -> str:
    """Return a value with its identifiers and its terminal replaced."""
    value = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", value)
    return re.sub(r"\) \S+ \(", ") TERMINAL (", value)


def test_the_fields_are_those_of_a_real_turn(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Names and values are the same but for identifiers; the metadata is a part of Codex's."""
    machine.codex = each_codex[1]
    machine.relay()
    turn = machine.turn()
    real = {name.lower(): value for name, value in turn.headers if name.lower() not in OF_THE_CONNECTION}
    ours = dict(CodexClient(version=(*each_codex[0], 0)).fields())
    metadata, our_metadata = (json.loads(fields.pop("x-codex-turn-metadata")) for fields in (real, ours))
    assert {name: shape(value) for name, value in ours.items()} == {name: shape(real[name]) for name in real}
    assert our_metadata.keys() - {"request_kind"} <= metadata.keys()
    assert uuid.UUID(real["x-client-request-id"]).version == uuid.UUID(ours["x-client-request-id"]).version


def strict_relay(refused: list[bytes]) -> Callable[[socket.socket, bytes], None]:
    """Admit Codex's own clients only, and send the events without a content type."""

    def behave(connection: socket.socket, request: bytes) -> None:
        head = request.partition(b"\r\n\r\n")[0] + b"\r"
        if ADMITTED.search(head) and all(field in head.lower() for field in NEEDED):
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY)
            return
        refused.append(head)
        text = b'{"error":{"message":"only Codex clients"}}'
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(text) + text)

    return behave


@pytest.mark.parametrize("split", [False, True])
def test_a_relay_for_codex_only_is_verified_and_measured(machine: Machine, *, split: bool) -> None:
    """Each command that sends a request of its own is admitted, and a stream without a content type is one."""
    refused: list[bytes] = []
    with serving(strict_relay(refused)) as relay:
        machine.write("config.toml", relay_config(f"http://127.0.0.1:{relay.port}/v1"))
        auth = ("--upstream-api-key-env", "RELAY_KEY") if split else ()
        assert machine.install(*auth).json["verification"]["status"] == "verified"
        assert machine.cfp("verify-upstream").json["status"] == "verified"
        checks = {check["name"]: check for check in machine.cfp("doctor", "--online").json["checks"]}
        assert "answered a turn" in checks["provider_answers"]["detail"]
        ran = machine.cfp("benchmark", "--mode", "direct", "--profile", "smoke", "--pairs", "1", "--no-save")
        assert (ran.json["default"]["ok"], ran.json["priority"]["ok"]) == (1, 1), ran.transcript
        assert len(relay.requests) >= 5
    assert refused == []
