"""The temporary Codex home of the demo: a user's files with the spellings that are hard to edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfp.core.program import program_words
from cfp.host.worker.code_id import user_base
from cfp.layout import Layout
from cfp.variables import OF_WINDOWS

KEY = "demo-key-of-the-relay"

_CONFIG = """\
# My Codex. Comments, odd spacing and quotes are mine\tand stay.\r
model          = "gpt-5.5"\r
model_provider = 'Relay & Söhne'\r
\r
[ model_providers . "Relay & Söhne" ]   # the one at work\r
name     = "Relay"\r
base_url = '{base_url}'   # do not lose this\r
requires_openai_auth = true\r
wire_api = "responses"\r
notes    = \"\"\"\r
[features]\r
hooks = "this is text, not a table"\r
\"\"\"\r
"""
_HOOKS = (
    '{ "hooks": {"SessionStart": [ {"matcher": "startup",\n  "hooks": [{"type":"command","command":"true"}]} ]} }'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of one of our own commands."""

    code: int
    fields: Mapping[str, Any]

    @property
    def status(self) -> str:
        return str(self.fields.get("status"))


@dataclass(frozen=True, slots=True)
class DemoHome:
    """A user's files below `root`; programs that run in it see nothing of the real user."""

    root: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.root / "home" / ".codex")

    @property
    def work(self) -> Path:
        return self.root / "work"

    def furnish(self, base_url: str) -> None:
        """Write the user's files."""
        layout = self.layout
        layout.home.mkdir(parents=True, mode=0o700)
        self.work.mkdir()
        self._write(layout.config, _CONFIG.format(base_url=base_url).removesuffix("\r\n"))
        self._write(layout.hooks, _HOOKS)
        self.sign_in_with_key()

    def sign_in_with_key(self) -> None:
        self._write(self.layout.auth, json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": KEY}))

    def sign_in_with_chatgpt(self) -> None:
        tokens = {"id_token": "demo", "access_token": "demo-chatgpt-token", "refresh_token": "demo"}
        login = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": {**tokens, "account_id": "demo-account"}}
        self._write(self.layout.auth, json.dumps(login))

    def _write(self, path: Path, text: str) -> None:
        path.write_bytes(text.encode())
        path.chmod(0o600)

    def snapshot(self) -> dict[str, bytes]:
        """Return the bytes of the user's own files."""
        layout = self.layout
        return {path.name: path.read_bytes() for path in (layout.config, layout.hooks) if path.exists()}

    def leftovers(self) -> list[str]:
        """Return the names of our folders that still exist."""
        layout = self.layout
        return [path.name for path in (layout.state, layout.journal) if path.exists()]

    def environ(self) -> dict[str, str]:
        """Return the environment of the demo's programs; PATH and what belongs to Windows come from the real one.

        CODEX_HOME is set since on Windows no variable moves the user's folder for Codex (Codex 0.171).
        """
        home = str(self.root / "home")
        # HTTPS_PROXY leads nowhere, so that even the real Codex cannot reach the internet.
        return {
            **{name: os.environ[name] for name in OF_WINDOWS if name in os.environ},
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "USERPROFILE": home,
            "CODEX_HOME": str(self.layout.home),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.root)),
            "LANG": "C.UTF-8",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def run(self, *arguments: str) -> CommandResult:
        """Run one of our own commands as its user would, and return its JSON."""
        done = self._run([*program_words(sys.executable, user_base()), *arguments])
        return CommandResult(code=done.returncode, fields=json.loads(done.stdout) if done.stdout else {})

    def codex_exec(self, program: Path, prompt: str) -> bool:
        """Run one turn of the real Codex; return whether it succeeded."""
        return self._run([str(program), "exec", "--skip-git-repo-check", prompt]).returncode == 0

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=120,
        )
