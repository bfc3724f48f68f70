"""The story of the demo, step by step; a failing step reports the difference."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cfp.core.header_names import IDENTITY
from cfp.demo.home import KEY, DemoHome
from cfp.demo.provider import DemoProvider
from cfp.demo.websocket import WebSocketResponder, request_turn

_IDENTITY_HEADERS = {name: f"demo {name}" for name in sorted(IDENTITY)}
_TURN = {
    "model": "gpt-5.5",
    "stream": True,
    "store": False,
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello"}]}],
}


class StepFailed(Exception):
    """A step failed; the text has the unexpected value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryStep:
    name: str
    ok: bool
    detail: str


@dataclass(slots=True, kw_only=True)
class Story:
    """Runs steps on one home; `tell` is called with each as it ends."""

    home: DemoHome
    upstream: DemoProvider
    speaker: WebSocketResponder
    codex: Path | None
    tell: Callable[[StoryStep], None]
    steps: list[StoryStep] = field(default_factory=list)
    before: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> list[StoryStep]:
        """Run all steps up to the first that fails, then clean up, so that no process keeps running."""
        try:
            for name, act in self._plot():
                with self._step(name):
                    act()
                if not self.steps[-1].ok:
                    break
        finally:
            self._clean()
        return self.steps

    def _plot(self) -> Iterator[tuple[str, Callable[[], str | None]]]:
        yield "a Codex home with a third-party provider", self._furnish
        yield "install --start: verify, start the proxy, switch the config", self._install
        yield 'a Codex-shaped turn arrives with service_tier "priority"', self._turn
        yield "a tier that the user chose stays", self._chosen_tier
        yield "over WebSocket too: the message of a turn gets the tier", self._websocket_turn
        if self.codex is not None:
            yield "the real Codex CLI runs a turn through the proxy", self._real_turn
        yield "status: ready", self._status
        yield "auth split: signed in with ChatGPT, the provider sees its own key only", self._auth_split
        yield "uninstall asks first, since a ChatGPT login would reach the provider", self._asks_first
        yield "uninstall gives back every byte and leaves nothing behind", self._uninstall

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        try:
            yield
            step = StoryStep(name=name, ok=True, detail="")
        except (StepFailed, OSError, ValueError, TimeoutError) as error:
            step = StoryStep(name=name, ok=False, detail=str(error))
        self.steps.append(step)
        self.tell(step)

    def _clean(self) -> None:
        """Stop the worker that a failed story leaves behind."""
        if self.home.leftovers():
            self.home.run("stop", "--force")

    def _furnish(self) -> None:
        self.home.furnish(self.upstream.base_url)
        self.before = self.home.snapshot()

    def _install(self) -> None:
        self._cfp("installed", 0, "install", "--start", "--port", str(free_port()))
        if self.home.snapshot() == self.before:
            raise StepFailed("config.toml did not change")

    def _turn(self) -> None:
        self._expect_tier(self._post(_TURN), "priority")

    def _chosen_tier(self) -> None:
        self._expect_tier(self._post({**_TURN, "service_tier": "flex"}), "flex")

    def _websocket_turn(self) -> None:
        status = self._cfp("running", 0, "status")
        events = request_turn(str(status["config_base_url"]), f"Bearer {KEY}", _TURN)
        if not events or events[-1]["type"] != "response.completed":
            raise StepFailed(f"the answer ended after {len(events)} events")
        self._expect_tier(self.speaker.messages[-1], "priority")
        known = self._cfp("running", 0, "status")["health"]["upstream_websocket"]
        if known != "served":
            raise StepFailed(f"status says of WebSocket: {known}")

    def _expect_tier(self, body: Mapping[str, Any], tier: str) -> None:
        if body.get("service_tier") != tier:
            raise StepFailed(f"the upstream saw service_tier {body.get('service_tier')!r}")

    def _real_turn(self) -> None:
        count = len(self.upstream.turns)
        if self.codex is None or not self.home.codex_exec(self.codex, "Say hello"):
            raise StepFailed("codex exec failed")
        self._expect_tier(self.upstream.wait_for_turns(count + 1, 10)[count].json(), "priority")

    def _status(self) -> None:
        answer = self._cfp("running", 0, "status")
        if answer["diagnosis"]["code"] != "ready":
            raise StepFailed(f"status says {answer['diagnosis']['code']}")

    def _auth_split(self) -> None:
        self._cfp("prepared", 0, "prepare-chatgpt-login", "--apply")
        self._cfp("upstream_updated", 0, "set-upstream", "--use-provider-auth-file", "--restart")
        self.home.sign_in_with_chatgpt()
        self._post(_TURN, _IDENTITY_HEADERS)
        seen = self.upstream.turns[-1]
        if seen.header("authorization") != f"Bearer {KEY}":
            raise StepFailed("the upstream did not get the provider's key")
        if any(seen.header(name) for name in IDENTITY - {"authorization"}):
            raise StepFailed("identity headers reached the upstream")

    def _asks_first(self) -> None:
        self._cfp("confirmation_required", 4, "uninstall")

    def _uninstall(self) -> None:
        self._cfp("uninstalled", 0, "uninstall", "--confirm-chatgpt-direct-uninstall")
        if self.home.snapshot() != self.before:
            raise StepFailed("the files differ from those before the install")
        if self.home.leftovers():
            raise StepFailed(f"left behind: {', '.join(self.home.leftovers())}")

    def _cfp(self, status: str, code: int, *arguments: str) -> Mapping[str, Any]:
        answer = self.home.run(*arguments)
        if (answer.status, answer.code) != (status, code):
            raise StepFailed(f"{arguments[0]} answered {answer.status} ({answer.code}): {answer.fields.get('error')}")
        return answer.fields

    def _post(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Send one streaming turn to the address in config.toml; return the body that reached the provider."""
        base = urlsplit(str(self._cfp("running", 0, "status")["config_base_url"]))
        connection = http.client.HTTPConnection(base.hostname or "", base.port or 0, timeout=30)
        try:
            fields = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **(headers or {})}
            connection.request("POST", f"{base.path}/responses", json.dumps(body), fields)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200 or "response.completed" not in text:
            raise StepFailed(f"the proxy answered {answer.status}")
        seen: Mapping[str, Any] = self.upstream.turns[-1].json()
        return seen


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
