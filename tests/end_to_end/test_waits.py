"""Each wait of a command that can take a second is reported, with its limit, while it lasts."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from cfp.cli import Streams, main
from cfp.host.home import Host
from cfp.host.waiting import Wait
from tests.end_to_end.harness import Machine, api_key_login


class Reports:
    """The waits that a command has reported; how many of them last."""

    def __init__(self) -> None:
        self.waits: list[str] = []
        self.lasting = 0

    @contextmanager
    def __call__(self, words: str, limit: float | None) -> Iterator[Wait]:
        self.waits.append(f"{words}, {limit and f'{limit:.0f} s'}")
        self.lasting += 1
        try:
            yield self
        finally:
            self.lasting -= 1

    def now(self, words: str) -> None:
        self.waits.append(words)


def waits(machine: Machine, *words: str, code: int = 0) -> str:
    """Run one of our commands in this process; return what it reported, a line each."""
    reports, out = Reports(), io.StringIO()

    def find(*of: Any) -> Host:
        return replace(Host.find(*of), waiting=reports)

    assert code == main(words, machine.environment(), Streams(out=out, err=io.StringIO()), find), out.getvalue()
    assert 0 == reports.lasting
    return "\n".join(reports.waits)


@pytest.fixture
def home(machine: Machine) -> Machine:
    machine.environ["PATH"] = "/nowhere"
    machine.relay()
    machine.write("auth.json", api_key_login())
    return machine


def test_the_waits_of_an_installations_life(home: Machine) -> None:
    """Verification, start, handover, another command, stop."""
    netloc = home.upstream.base_url.removeprefix("http://").partition("/")[0]
    request = f"waiting for {netloc} to answer one small request, 60 s"
    start = f"waiting for the new proxy to answer at 127.0.0.1:{home.port}, 15 s"
    reports = waits(home, "install", "--start", "--port", str(home.port))
    assert all(words in reports for words in (request, start))
    assert request in waits(home, "verify-upstream")
    assert request in waits(home, "doctor", "--online")
    reports = waits(home, "set-upstream", "--service-tier-policy", "preserve", "--restart")
    assert all(words in reports for words in (request, start))
    waits(home, "upstream", "add", "spare", "--upstream-base", home.upstream.base_url)
    assert request in waits(home, "upstream", "use", "spare")
    reports = waits(home, "fast", "add", "--kind", "review", "--action", "remove")
    assert all(words in reports for words in ("another command to end, 10 s", "settling a command"))
    reports = waits(home, "benchmark", "--mode", "direct", "--pairs", "1", "--profile", "smoke")
    assert "pair 1/1, default: waiting for the provider" in reports
    assert "to finish its responses and end, 10 s" in waits(home, "uninstall")


@pytest.mark.beyond_wine("git")
def test_git_is_asked_in_sight(machine: Machine) -> None:
    """By `check-update`."""
    machine.environ["PATH"] = os.environ["PATH"]
    machine.run(["git", "init", "-q"], timeout=20)
    reports = waits(machine, "check-update", "--repo", str(machine.work), "--remote", "nobody")
    assert "waiting for git to ask nobody, 60 s" in reports


def test_codex_is_asked_in_sight(codex: Machine) -> None:
    """For its word on the home, its version, and the turn of `doctor --probe`."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.environ["HTTPS_PROXY"] = codex.nowhere
    assert "asking Codex, 10 s" in waits(codex, "install", "--dry-run")
    assert "waiting for `codex exec`, 60 s" in waits(codex, "doctor", "--probe")
