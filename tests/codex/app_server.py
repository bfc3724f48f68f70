"""A `codex app-server` that stays up, so that one test can ask it about hundreds of files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.end_to_end.harness import system


class AppServer:
    """Newline-delimited JSON, one request at a time. Codex re-reads its files for each request that we send."""

    def __init__(self, program: Path, home: Path) -> None:
        self.home = home
        environ = {**system.shell(home, home), "PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home)}
        self._process = subprocess.Popen(
            [str(program), "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd=home,
            text=True,
            encoding="utf-8",
        )
        self._last = 0

    def __enter__(self) -> Self:
        self.ask("initialize", {"clientInfo": {"name": "tests", "version": "1"}})
        self._send({"method": "initialized"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the whole answer: it has `result` or `error`."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        assert self._process.stdout
        for line in self._process.stdout:
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == self._last:
                return answer
        raise AssertionError("the app-server has ended")

    def hooks(self) -> dict[str, Any]:
        """Return hooks, warnings and errors of hooks.json and config.toml as they are now."""
        listing: dict[str, Any] = self.ask("hooks/list", {"cwds": [str(self.home)]})["result"]["data"][0]
        return listing

    def config(self) -> dict[str, Any] | None:
        """Return the user's config as Codex reads it now, None where it refuses it."""
        answer = self.ask("config/read", {"includeLayers": False})
        config: dict[str, Any] | None = answer.get("result", {}).get("config")
        return config

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
