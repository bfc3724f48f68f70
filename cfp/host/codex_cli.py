"""The Codex CLI of this machine: its version, its login, its hooks, its models.

The CLI is run where only Codex knows the answer: which hooks it trusts and under which key, the login in a
keyring, the model of a config without `model`. All of that is advisory. Every command works without a CLI, so
`login` returns UNKNOWN, and the other methods raise `Failed`, which their callers handle.

    codex_cli_failed    it cannot be run, or its answer has an unknown form
    codex_cli_timeout   no answer in time; the process is killed
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from cfp.codex.app_server.answers import CodexAnswers, parse_answers
from cfp.codex.auth_json import Login
from cfp.core.tiers.names import PRIORITY
from cfp.errors import Failed
from cfp.host.programs.batch import UnsafeWord, invocation
from cfp.host.programs.codex import find_codex_program
from cfp.host.system.windows import NO_WINDOW, end_tree, profile_folder
from cfp.host.waiting import Waiting, unseen
from cfp.layout import home_of_user, known_default_home

HOOKS_LIST_SINCE = (0, 130)  # the first release whose app-server answers hooks/list
# The app-server asks the provider for its models as it starts, with the key or login of the user (0.171): an outbound
# proxy that is not there keeps it from that: no answer that is asked for here needs them.
_OFFLINE = {
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
}
_AS_IT_IS: Mapping[str, str] = MappingProxyType({})  # no variable beside the CLI's own
_TIMEOUT = 10.0  # seconds; app-server answers within 0.3 on a machine at rest
_VERSION = re.compile(r"\b(\d+)\.(\d+)\.(\d+)")

# The output of `codex login status`, on stderr; the first that matches. "Logged in using an API key" until 0.165.
_LOGINS = (
    (re.compile(r"\bNot logged in\b"), Login.NONE),
    (re.compile(r"\busing ChatGPT\b"), Login.CHATGPT),
    (re.compile(r"\bpersonal access token\b"), Login.PERSONAL_ACCESS_TOKEN),
    (re.compile(r"\busing access token\b"), Login.AGENT_IDENTITY),
    (re.compile(r"\bworkload identity\b"), Login.WORKLOAD_IDENTITY),
    (re.compile(r"\bBedrock\b"), Login.BEDROCK),
    (re.compile(r"\bAPI key\b"), Login.API_KEY),
)
_SIGNED_OUT = 1  # its exit code with `Not logged in`, and with each error


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexCli:
    """A CLI, the environment that names its Codex home, and the display of a person who waits for it."""

    program: Path
    environ: Mapping[str, str]
    waiting: Waiting = unseen

    def version(self, *, timeout: float = _TIMEOUT) -> tuple[int, int, int]:
        """Return its version without any pre-release suffix; raises Failed."""
        done = self._run("--version", timeout=timeout)
        match = _VERSION.search(done.stdout)
        if match is None:
            raise Failed("codex_cli_failed", reason="it printed no version")
        return _numbers(match)

    def login(self, *, timeout: float = _TIMEOUT) -> Login:
        """Return the login, wherever Codex keeps it; UNKNOWN without an answer that is understood."""
        try:
            done = self._run("login", "status", timeout=timeout)
        except Failed:
            return Login.UNKNOWN
        text = done.stdout + done.stderr
        login = next((login for pattern, login in _LOGINS if pattern.search(text)), Login.UNKNOWN)
        expected = _SIGNED_OUT if login is Login.NONE else 0
        return login if done.returncode == expected else Login.UNKNOWN

    def answers(self, folder: Path, *, timeout: float = _TIMEOUT) -> CodexAnswers:
        """Return all that Codex says of its configuration for a session in `folder`, from one process; raises Failed.

        It always fails before Codex 0.130, which does not answer hooks/list.
        """
        answers = self._converse(
            (
                ("hooks/list", {"cwds": [str(folder)]}),
                ("config/read", {"includeLayers": False, "cwd": str(folder)}),
                ("configRequirements/read", None),
            ),
            timeout,
        )
        with _understood("app-server"):
            version = _VERSION.search(str(answers[0]["result"]["userAgent"])) if 0 in answers else None
            return parse_answers(
                _result(answers[1], "hooks/list"),
                answers[2].get("result"),
                answers[3].get("result"),
                None if version is None else _numbers(version),
            )

    def tiers(self, model: str, *, timeout: float = _TIMEOUT) -> tuple[str, ...] | None:
        """Return the service tiers of a model in Codex's catalogue; None for a model that is not in it.

        Codex leaves a tier out that the model does not advertise (0.150); 0.130 lists no ids and names Fast alone.
        Raises Failed.
        """
        result = self._ask("model/list", {}, timeout)
        with _understood("model/list"):
            for entry in result["data"]:
                if entry["model"] == model:
                    ids = [str(tier["id"]) for tier in entry.get("serviceTiers") or ()]
                    has_fast = "fast" in (entry.get("additionalSpeedTiers") or ())
                    return tuple(dict.fromkeys([*ids, *([PRIORITY] if has_fast else [])]))
        return None

    def default_model(self, *, timeout: float = _TIMEOUT) -> str | None:
        """Return the model of a session whose config names none; None where no model is marked. Raises Failed."""
        result = self._ask("model/list", {}, timeout)
        with _understood("model/list"):
            return next((str(model["model"]) for model in result["data"] if model["isDefault"]), None)

    def bundled_models(self, *, timeout: float = _TIMEOUT) -> list[dict[str, Any]]:
        """Return the entries of the catalogue that this release has in itself; raises Failed.

        They are the same for every home, so the CLI gets an empty one, in which it writes nothing (0.130 to 0.171).
        """
        from cfp.host.system.scratch import scratch  # noqa: PLC0415  filelock, for the one caller

        with scratch("catalogue", self.environ) as home:
            done = self._run("debug", "models", "--bundled", timeout=timeout, environ={"CODEX_HOME": str(home)})
        with _understood("debug models"):
            return [{**entry, "slug": str(entry["slug"])} for entry in json.loads(done.stdout)["models"]]

    def exec(self, words: Sequence[str], *, folder: Path, environ: Mapping[str, str], timeout: float) -> str:
        """Run one turn that leaves no session behind, and return what it printed on stderr; raises Failed.

        words    further flags, and the prompt
        environ  variables beside the CLI's own
        """
        flags = ("exec", "--ephemeral", "--skip-git-repo-check", "--color", "never")
        return self._run(*flags, *words, timeout=timeout, folder=folder, environ=environ).stderr

    def _run(
        self,
        *arguments: str,
        timeout: float,
        folder: Path | None = None,
        environ: Mapping[str, str] = _AS_IT_IS,
    ) -> subprocess.CompletedProcess[str]:
        cli = replace(self, environ={**self.environ, **environ})
        with (
            self.waiting(f"waiting for `codex {arguments[0]}`", timeout),
            _started(cli, *arguments, stderr=subprocess.PIPE, folder=folder) as process,
        ):
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                _kill(process)
                raise Failed("codex_cli_timeout", command=arguments[0]) from error
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def _ask(self, method: str, params: Mapping[str, Any], timeout: float) -> Any:
        """Return the `result` of one app-server request."""
        return _result(self._converse(((method, params),), timeout)[1], method)

    def _converse(
        self, requests: Sequence[tuple[str, Mapping[str, Any] | None]], timeout: float
    ) -> dict[int, Mapping[str, Any]]:
        """Return the answer to each request by its number, and to `initialize` as 0: JSON lines without "jsonrpc"."""
        hello = {"clientInfo": {"name": "codex-fast-proxy", "version": "1"}}
        messages: list[Mapping[str, Any]] = [
            {"id": 0, "method": "initialize", "params": hello},
            {"method": "initialized"},
        ]
        messages += [
            {"id": number, "method": method, "params": params} for number, (method, params) in enumerate(requests, 1)
        ]
        command = f"app-server {requests[0][0]}"
        expired = threading.Event()
        cli = replace(self, environ={**self.environ, **_OFFLINE})
        with (
            self.waiting("asking Codex", timeout),
            _started(cli, "app-server", stderr=subprocess.DEVNULL) as process,
        ):
            watchdog = threading.Timer(timeout, _expire, (process, expired))
            watchdog.start()
            try:
                answers = _answers(process, messages, len(requests))
            finally:
                watchdog.cancel()
                watchdog.join()
        if answers is None:
            raise Failed("codex_cli_timeout" if expired.is_set() else "codex_cli_failed", command=command)
        return answers


def find_codex(
    environ: Mapping[str, str], codex_home: Path, *, program: Path | None = None, waiting: Waiting = unseen
) -> CodexCli | None:
    """Return the CLI of the user's PATH (or the one given) for a home; None where there is none.

    On Windows it is looked for where its installers put it, too. Codex spells the keys of trusted hooks by CODEX_HOME
    where that is set and by `$HOME/.codex` where not, so the variable is set only for a home that Codex would not
    find by itself.
    """
    path = program or find_codex_program(environ)
    if path is None:
        return None
    own = dict(environ)
    if own.get("CODEX_HOME") or codex_home != own_home_of_codex(environ):
        own["CODEX_HOME"] = str(codex_home)
    return CodexCli(program=path, environ=own, waiting=waiting)


def own_home_of_codex(environ: Mapping[str, str]) -> Path | None:
    """Return the home that a Codex without CODEX_HOME uses; on Windows, no variable moves it (Codex 0.171)."""
    profile = profile_folder()
    return known_default_home(environ) if profile is None else home_of_user(profile)


def _numbers(version: re.Match[str]) -> tuple[int, int, int]:
    major, minor, patch = version.groups()
    return int(major), int(minor), int(patch)


def _result(answer: Mapping[str, Any], method: str) -> Any:
    if "result" not in answer:
        raise Failed("codex_cli_failed", command=f"app-server {method}", reason=_message(answer))
    return answer["result"]


@contextlib.contextmanager
def _understood(method: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise Failed(
            "codex_cli_failed", command=f"app-server {method}", reason="its response has an unknown form"
        ) from error


def _message(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    return str(error.get("message", ""))[:200] if isinstance(error, Mapping) else ""


# ---- The process, which never outlives its use ----------------------------------------------------------------


@contextlib.contextmanager
def _started(
    cli: CodexCli, *arguments: str, stderr: int, folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Yield the running CLI in a process group of its own; it does not outlive the block."""
    try:
        process = subprocess.Popen(
            invocation(cli.program, arguments),
            env=cli.environ,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            creationflags=NO_WINDOW,
        )
    except OSError as error:
        raise Failed("codex_cli_failed", command=arguments[0], reason=error.strerror or "") from error
    except UnsafeWord as error:
        raise Failed("codex_cli_failed", command=arguments[0], reason="cmd would misread its path") from error
    try:
        yield process
    finally:
        _close(process.stdin)
        try:
            process.wait(1)  # it exits by itself at the end of its input
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        _close(process.stdout)
        _close(process.stderr)


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):  # unsent input of a process that is gone
            stream.close()


def _expire(process: subprocess.Popen[str], expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill the CLI and its children: the npm package is a script that starts the real program.

    Callers must not have waited for the process: after that, its pid may belong to another one.
    """
    if sys.platform == "win32":
        end_tree(process.pid)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _answers(
    process: subprocess.Popen[str], messages: Sequence[Mapping[str, Any]], last: int
) -> dict[int, Mapping[str, Any]] | None:
    """Send all messages and return the answers by their ids, 1 to `last` at least; None where the output ends."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 (both are pipes)
    try:
        for message in messages:
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
    except OSError:
        return None
    answers: dict[int, Mapping[str, Any]] = {}
    for line in process.stdout:
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict) and "method" not in answer and answer.get("id") in range(last + 1):
                answers[answer["id"]] = answer
        if answers.keys() >= set(range(1, last + 1)):
            return answers
    return None
