"""A Codex App without its window: one `codex app-server` that lives on while the proxy is switched on and off."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.end_to_end.harness import Machine

Json = dict[str, Any]


class App:
    """Speaks app-server's JSON lines (Codex 0.130 and later) as the App does: threads, and turns in them.

    attestation  the token that the App gives when Codex asks for one (0.150); None: it attests nothing
    approvals    the user says yes to each command for which Codex asks, and the questions are put here
    """

    def __init__(
        self,
        process: subprocess.Popen[str],
        folder: str,
        attestation: str | None = None,
        approvals: list[Json] | None = None,
    ) -> None:
        self._process = process
        self._folder = folder
        self._attestation = attestation
        self._approvals = approvals
        self._number = 0
        client = {"name": "codex-fast-proxy-tests", "version": "1"}
        capabilities = {"requestAttestation": attestation is not None}
        self._ask("initialize", {"clientInfo": client, "capabilities": capabilities})
        self._send({"method": "initialized"})

    def thread(self, **parameters: Any) -> str:
        """Open a conversation, with more parameters of thread/start; return its id."""
        return str(self._ask("thread/start", {"cwd": self._folder, **parameters})["thread"]["id"])

    def turn(self, thread: str, text: str = "Say hello", **parameters: str) -> str:
        """Say something in it, with more parameters of turn/start; return what the model answered."""
        self._ask("turn/start", {"threadId": thread, "input": [{"type": "text", "text": text}], **parameters})
        items: list[Json] = []
        done = self._until(lambda message: message.get("method") == "turn/completed", items)
        turn = done["params"]["turn"]
        assert turn["status"] == "completed", turn
        return "".join(item["text"] for item in items if item["type"] == "agentMessage")

    def auth_method(self) -> str | None:
        """Return how the App is signed in, as it shows it."""
        answer = self._ask("getAuthStatus", {"includeToken": False, "refreshToken": False})
        return answer["authMethod"]  # type: ignore[no-any-return]  # JSON

    def _ask(self, method: str, params: Json) -> Json:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        answer = self._until(lambda message: message.get("id") == number and "method" not in message)
        assert "result" in answer, answer
        result: Json = answer["result"]
        return result

    def _send(self, message: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _until(self, wanted: Callable[[Json], bool], items: list[Json] | None = None) -> Json:
        """Return the first message that is wanted; the items that are completed before it are added to `items`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: Json = json.loads(line)
            if message.get("method") == "attestation/generate":
                self._send({"id": message["id"], "result": {"token": self._attestation}})
            if message.get("method") == "item/commandExecution/requestApproval" and self._approvals is not None:
                self._approvals.append(message["params"])
                self._send({"id": message["id"], "result": {"decision": "accept"}})
            if message.get("method") == "item/completed" and items is not None:
                items.append(message["params"]["item"])
            if wanted(message):
                return message
        raise AssertionError("app-server has ended")


@contextmanager
def opened(machine: Machine, attestation: str | None = None, approvals: list[Json] | None = None) -> Iterator[App]:
    """The App, open on this machine until the block ends."""
    with machine.app_server() as process:
        try:
            yield App(process, str(machine.work), attestation, approvals)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
