"""A machine in a temporary folder: a Codex home, a provider on loopback, the real Codex, and our program.

Nothing here imports the program's own code paths that are tested (the embedded upstream aside): commands are
run as a user runs them, and judged by what they print, what they leave on disk and what reaches the provider.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cfp.codex.hook_trust import trust_key, trusted_hash
from cfp.demo.provider import Received
from cfp.demo.scripted_turns import ScriptedTurn
from cfp.host.codex_cli import find_codex
from tests.end_to_end.listeners import Listener
from tests.ports import free_port
from tests.promised import BLANK, answer_in
from tests.sentinels import is_sentinel
from tests.systems import WINDOWS
from tests.windows import shells

if sys.platform == "win32":
    from tests.end_to_end import _windows as system
else:
    from tests.end_to_end import _posix as system

KEY = "sk-a-key-of-the-tests"
KEY_ENV = "RELAY_KEY"
PROVIDER = "relay"
MODEL = "gpt-5.5"
STATE = "codex-fast-proxy-state"
BUG = 70
JOURNAL = "codex-fast-proxy-journal"
BACKUPS = "backups"

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A finished program."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> dict[str, Json]:
        """The one object on stdout; fails where there is anything else, or a status that nobody promised."""
        return answer_in(self.stdout)

    @property
    def transcript(self) -> str:
        """Exit code, duration and output, for a test's failure message."""
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.stdout}\n{self.stderr}"


def relay_config(base_url: str, *, top: str = "", table: str = "", model: str = MODEL) -> str:
    """A config.toml with one custom provider that takes its key from the environment."""
    return (
        f'# the user\'s own words\nmodel = "{model}"\nmodel_provider = "{PROVIDER}"\n{top}\n'
        f'[model_providers.{PROVIDER}]\nname = "Relay"   # mine\nbase_url = "{base_url}"\n'
        f'env_key = "{KEY_ENV}"\nwire_api = "responses"\n{table}'
    )


def login_config(base_url: str, *, table: str = "") -> str:
    """A config.toml with one custom provider that takes Codex's login."""
    return relay_config(base_url, table=table).replace(f'env_key = "{KEY_ENV}"', "requires_openai_auth = true")


def built_in_config(base_url: str, *, top: str = "", model: str = MODEL) -> str:
    """A config.toml whose built-in provider is sent elsewhere."""
    return f'model = "{model}"\nopenai_base_url = "{base_url}"\n{top}'


def api_key_login(key: str = KEY) -> str:
    """An auth.json as `codex login --with-api-key` leaves it."""
    return json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": key})


def chatgpt_login(**claims_of_the_account: Json) -> str:
    """An auth.json of a ChatGPT login that is valid for a day, with tokens that nobody issued."""
    now = int(time.time())
    account = {"chatgpt_plan_type": "pro", "chatgpt_account_id": "account-1", "chatgpt_user_id": "user-1"}
    account |= claims_of_the_account
    claims = {"iat": now, "exp": now + 86400, "email": "u@example.invalid", "https://api.openai.com/auth": account}
    token = ".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims)) + ".c2ln"
    tokens = {"id_token": token, "access_token": token, "refresh_token": "rt-canary", "account_id": "account-1"}
    refreshed = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": refreshed})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def printing(word: str) -> tuple[str, str]:
    """Return the keys of a TOML table that names a command which prints the word."""
    program, *words = system.ECHO
    return f'command = "{program}"', f"args = {json.dumps([*words, word])}"


@dataclass(slots=True, kw_only=True)
class Machine:
    """One user's machine. `codex` is None where a test needs only our program."""

    root: Path
    upstream: Listener
    codex: Path | None = None
    nowhere: str = ""  # a proxy URL that refuses: the real Codex must not leave loopback
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True)
        self.home.mkdir(parents=True)
        self.temporary.mkdir()

    @property
    def home(self) -> Path:
        return self.root / "user" / ".codex"

    @property
    def work(self) -> Path:
        """The folder in which the session runs."""
        return self.root / "work"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def config(self) -> Path:
        return self.home / "config.toml"

    @property
    def hooks(self) -> Path:
        return self.home / "hooks.json"

    @property
    def state(self) -> Path:
        return self.home / STATE

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Write a file of the home as the user would."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        path.chmod(mode)

    def relay(self, **how: str) -> None:
        """Give the home a custom provider that is the embedded upstream."""
        self.write("config.toml", relay_config(self.upstream.base_url, **how))

    # ---- Running things ----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The environment of the user's shell: nothing of the machine that runs the tests but PATH."""
        return {
            "PATH": os.environ["PATH"],
            KEY_ENV: KEY,
            **system.shell(self.home, self.temporary),
            **self.environ,
        }

    def codex_exec(self, *arguments: str, prompt: str = "Say hello", timeout: float = 60) -> Ran:
        """Run one turn of the real Codex in `work`; it can reach nothing but loopback."""
        with self.codex_started(*arguments, prompt=prompt) as process:
            return self.finish(process, timeout)

    @contextmanager
    def codex_started(self, *arguments: str, prompt: str = "Say hello") -> Iterator[subprocess.Popen[str]]:
        """Start a turn, for tests that meddle while it runs; `finish` waits for its end, the block's end kills it."""
        turn = self._codex("exec", "--skip-git-repo-check", *arguments, prompt, stdin=subprocess.DEVNULL)
        with turn:
            try:
                yield turn
            finally:
                if turn.poll() is None:
                    system.end_tree(turn)

    def app_server(self) -> subprocess.Popen[str]:
        """Start what the Codex App runs; it ends with its input."""
        return self._codex("app-server", stdin=subprocess.PIPE)

    def _codex(self, *arguments: str, stdin: int) -> subprocess.Popen[str]:
        assert self.codex is not None
        walls = {"HTTPS_PROXY": self.nowhere, "NO_PROXY": "127.0.0.1,localhost"}
        return self._start([str(self.codex), *arguments], {**walls, **self.environment()}, stdin)

    def cfp(self, *arguments: str, timeout: float = 60, entered: str | None = None) -> Ran:
        """Run our program in `work`, as a user does; `entered` is its standard input."""
        command = [sys.executable, "-P", "-m", "codex_fast_proxy", *arguments]
        ran = self.run(command, timeout=timeout, entered=entered)
        assert ran.code != BUG, ran.transcript + "".join(
            log.read_text(encoding="utf-8") for log in self.root.rglob("fast_proxy.bug.*")
        )
        return ran

    def install(self, *arguments: str) -> Ran:
        """Switch the proxy on at this machine's port; fails the test where that fails."""
        ran = self.cfp("install", "--start", "--port", str(self.port), *arguments)
        assert ran.code == 0, ran.transcript
        return ran

    def turn(self, *arguments: str) -> Received:
        """Run one turn of the real Codex and return it as it reached the provider."""
        before = len(self.upstream.turns)
        ran = self.codex_exec(*arguments)
        assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.stderr
        (turn,) = self.upstream.turns[before:]
        return turn

    def settle(self) -> None:
        """Let Codex make its own changes of the home: 0.130 adds `personality` to config.toml when first asked."""
        cli = find_codex(self.environment(), self.home, program=self.codex)
        assert cli is not None
        cli.answers(self.work)

    def run(self, command: list[str], *, timeout: float, entered: str | None = None) -> Ran:
        """Run a program to its end in `work`."""
        if entered is not None:
            return self._run_with_input(command, entered, timeout)
        with self._start(command, self.environment(), subprocess.DEVNULL) as process:
            return self.finish(process, timeout)

    def _run_with_input(self, command: list[str], entered: str, timeout: float) -> Ran:
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.work,
            env=self.environment(),
            input=entered.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        stdout, stderr = (output.decode().replace("\r\n", "\n") for output in (done.stdout, done.stderr))
        return Ran(code=done.returncode, stdout=stdout, stderr=stderr, seconds=time.monotonic() - began)

    def _start(self, command: list[str], environ: Mapping[str, str], stdin: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.work,
            env=dict(environ),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if stdin == subprocess.PIPE else subprocess.PIPE,  # nobody reads it meanwhile
            encoding="utf-8",
            **system.SESSION,
        )

    def finish(self, process: subprocess.Popen[str], timeout: float = 60) -> Ran:
        """Wait for a program's end; after `timeout` seconds it and its children are killed and the test fails."""
        began = time.monotonic()
        in_time = True
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            in_time = False
            system.end_tree(process)
            stdout, stderr = process.communicate()
        took = time.monotonic() - began
        ran = Ran(code=process.returncode, stdout=stdout, stderr=stderr, seconds=took)
        assert in_time, ran.transcript
        assert BLANK.search(stdout + (stderr or "")) is None, ran.transcript
        return ran

    def trust(self, handler: Mapping[str, Any], group: int = 0) -> None:
        """Trust the first hook of this group of SessionStart, as Codex writes it into config.toml."""
        key = json.dumps(trust_key(str(self.hooks), group, 0))  # its escapes are those of TOML too
        state = f'\n[hooks.state.{key}]\ntrusted_hash = "{trusted_hash(handler, None)}"\n'
        self.config.write_bytes(self.config.read_bytes() + state.encode())

    def hook_words(self) -> list[str]:
        """Return the program and the arguments of our hook, as Codex's shell splits its line."""
        (entry,) = json.loads(self.hooks.read_text(encoding="utf-8"))["hooks"]["SessionStart"]
        line = entry["hooks"][0]["command"]
        return shells.argv(line) if WINDOWS else shlex.split(line)

    def hook_started(self) -> subprocess.Popen[str]:
        """Start our hook as Codex does at the begin of a session, but for the shell; `finish` ends it."""
        return self._start(self.hook_words(), self.environment(), subprocess.DEVNULL)

    # ---- Looking at things -------------------------------------------------------------------------------------

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Every file and folder under the home that Codex itself does not keep rewriting: mode and content."""
        return {
            str(path.relative_to(self.home)): (
                path.lstat().st_mode & 0o7777,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in sorted(self.home.rglob("*"))
            if path.relative_to(self.home).parts[0] in _WATCHED
        }

    def processes(self) -> list[psutil.Process]:
        """The running processes of this machine, recognized by their environment or command line."""
        mine = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = " ".join((*process.cmdline(), *process.environ().values()))
                if (
                    str(self.root) in words
                    and process.pid != os.getpid()
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    mine.append(process)
        return mine

    def workers(self) -> list[psutil.Process]:
        """Our proxies on this machine, without their sentinels."""
        mine = []
        for process in self.processes():
            with suppress(psutil.Error):
                words = process.cmdline()
                if "codex_fast_proxy" in words and "serve" in words and not is_sentinel(process):
                    mine.append(process)
        return mine

    def wait_for_one_worker(self, seconds: float = 15) -> psutil.Process:
        """Return the only worker once a handover has ended the old one."""
        workers = self.workers()
        newest = max(workers, key=lambda worker: worker.create_time())
        _, alive = psutil.wait_procs([worker for worker in workers if worker != newest], timeout=seconds)
        assert [] == alive
        return newest

    def end_everything(self) -> list[str]:
        """End what still runs; return the command lines of what had to be killed."""
        left = self.processes()
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        _, deaf = psutil.wait_procs(left, timeout=15)
        stubborn = []
        for process in deaf:
            with suppress(psutil.NoSuchProcess):
                stubborn.append(" ".join(process.cmdline()))
                process.kill()
        psutil.wait_procs(deaf, timeout=5)
        return stubborn


_WATCHED = frozenset({"config.toml", "hooks.json", "auth.json", ".env", "notes.txt", STATE, JOURNAL, BACKUPS})
