"""Answers of the Codex CLI: of the real one where it is installed, and of scripts that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from cfp.codex.auth_json import Login, login
from cfp.errors import Failed
from cfp.host.codex_cli import CodexCli, find_codex
from cfp.host.system.windows import profile_folder
from tests.end_to_end.harness import chatgpt_login
from tests.end_to_end.listeners import Listener
from tests.users import NOTHING, of_user

Script = Callable[[str], CodexCli]


@pytest.fixture
def scripted(tmp_path: Path) -> Script:
    """A maker of CLIs whose program is a few lines of Python."""

    def make(source: str) -> CodexCli:
        source = f"import json, os, subprocess, sys, time\n{source}\n"
        if sys.platform == "win32":
            (tmp_path / "codex.py").write_text(source)
            program = tmp_path / "codex.cmd"
            program.write_text(f'@"{sys.executable}" -IS "%~dp0codex.py" %*\n')
        else:
            program = tmp_path / "codex"
            program.write_text(f"#!{sys.executable} -IS\n{source}")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return CodexCli(program=program, environ=NOTHING)

    return make


@pytest.fixture
def real(codex_cli: Path, codex_home: Path) -> CodexCli:
    cli = find_codex(os.environ, codex_home, program=codex_cli)
    assert cli is not None
    return cli


def _wait_until_gone(pid: int) -> None:
    """Return when the process is dead, reaped or not; fail after 5 seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            process.wait(5)


# ---- Its location ----------------------------------------------------------------------------------------------


def test_it_is_found_on_the_path(scripted: Script, tmp_path: Path) -> None:
    """The PATH of the given environment decides, not that of this process."""
    scripted("")
    home = tmp_path / ".codex"
    cli = find_codex({"PATH": str(tmp_path), **of_user(tmp_path)}, home)
    assert cli is not None
    assert (tmp_path, "codex") == (cli.program.parent, cli.program.stem)
    assert find_codex({"PATH": str(home)}, home) is None


USER = profile_folder() or Path("/h")
USUAL = str(USER / ".codex")


@pytest.mark.parametrize(
    ("more", "home", "expected"),
    [
        ({}, USUAL, None),
        ({}, "/elsewhere", "/elsewhere"),
        ({"CODEX_HOME": USUAL}, USUAL, USUAL),
        ({"CODEX_HOME": "/a"}, "/b", "/b"),
        ({"CODEX_HOME": ""}, USUAL, None),
    ],
)
def test_the_home_is_spelled_as_the_user_has_it(more: dict[str, str], home: str, expected: str | None) -> None:
    """CODEX_HOME is set only where Codex would not find the home by itself, because it changes the trust keys."""
    expected = expected and str(Path(expected))
    cli = find_codex({**of_user(USER), **more}, Path(home), program=Path("codex"))
    assert cli is not None
    assert expected == (cli.environ.get("CODEX_HOME") or None)


# ---- Its answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("codex-cli 0.169.0", (0, 169, 0)),
        ("codex-cli 0.170.0-alpha.3", (0, 170, 0)),
        ("codex 1.2.3 (abc)", (1, 2, 3)),
    ],
)
def test_versions(scripted: Script, output: str, expected: tuple[int, int, int]) -> None:
    """A version is three numbers, without any suffix."""
    assert expected == scripted(f"print({output!r})").version()


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("Logged in using ChatGPT", 0, Login.CHATGPT),
        ("API key configured - sk-***", 0, Login.API_KEY),
        ("Logged in using an API key - sk-***", 0, Login.API_KEY),
        ("Logged in using access token", 0, Login.AGENT_IDENTITY),
        ("Logged in using personal access token", 0, Login.PERSONAL_ACCESS_TOKEN),
        ("Logged in using Amazon Bedrock API key", 0, Login.BEDROCK),
        ("Logged in using Amazon Bedrock AWS access keys", 0, Login.BEDROCK),
        ("Logged in using workload identity", 0, Login.WORKLOAD_IDENTITY),
        ("Logged in using a new kind of thing", 0, Login.UNKNOWN),
        ("Not logged in", 1, Login.NONE),
        ("Not logged in", 3, Login.UNKNOWN),
        ("Error checking login status: failed to request personal access token metadata", 1, Login.UNKNOWN),
        ("Error checking login status: ChatGPT keyring", 1, Login.UNKNOWN),
    ],
)
def test_logins(scripted: Script, output: str, code: int, expected: Login) -> None:
    """Each sentence of `login status`, of this version and before, is understood; an error is no login."""
    assert expected == scripted(f"print({output!r}, file=sys.stderr); sys.exit({code})").login()


def test_no_login_without_an_answer(scripted: Script, tmp_path: Path) -> None:
    """A CLI that hangs or cannot be run leaves the login unknown."""
    assert Login.UNKNOWN == scripted("time.sleep(60)").login(timeout=0.2)
    assert Login.UNKNOWN == CodexCli(program=tmp_path / "none", environ=NOTHING).login()


# ---- When it misbehaves ----------------------------------------------------------------------------------------

SILENT = "time.sleep(60)"
DEAF = "sys.stdin.read(); time.sleep(60)"
BABBLING = "while True: print(json.dumps({'method': 'note'}), flush=True); time.sleep(0.01)"
WRAPPED = "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.mark.parametrize("source", [SILENT, DEAF, BABBLING, WRAPPED], ids=["silent", "deaf", "babbling", "wrapped"])
def test_no_answer_in_time(scripted: Script, source: str) -> None:
    """A CLI that does not answer is given up at the deadline, and no process of it is left."""
    before = set(psutil.Process().children(recursive=True))
    began = time.monotonic()
    with pytest.raises(Failed) as failed:
        scripted(source).default_model(timeout=0.3)
    assert failed.value.code == "codex_cli_timeout"
    assert time.monotonic() - began < 5
    assert set() == set(psutil.Process().children(recursive=True)) - before


def test_no_child_is_left_behind(scripted: Script, tmp_path: Path) -> None:
    """The npm package is a script around the real program: giving up ends both."""
    number = tmp_path / "pid"
    child = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    source = f"p = subprocess.Popen({child}); open({str(number)!r}, 'w').write(str(p.pid)); p.wait()"
    with pytest.raises(Failed) as failed:
        scripted(source).version(timeout=1)
    assert failed.value.code == "codex_cli_timeout"
    _wait_until_gone(int(number.read_text()))


AND_THE_OTHERS = "\nfor number in (2, 3): print(json.dumps({'id': number, 'result': {}}))"


@pytest.mark.parametrize(
    "source",
    [
        "sys.exit(1)",
        "print('not json')",
        "print(json.dumps({'id': 1, 'error': {'code': -32600, 'message': 'unknown variant `hooks/list`'}}))",
        "print(json.dumps({'id': 1, 'error': 'text'}))",
        "print(json.dumps({'id': 1, 'result': {}}))",
        "print(json.dumps({'id': 1, 'result': {'data': []}}))",
        "print(json.dumps({'id': 1, 'result': {'data': [{'hooks': [{'key': 1}], 'warnings': [], 'errors': []}]}}))",
    ],
)
def test_an_answer_that_is_none(scripted: Script, source: str, tmp_path: Path) -> None:
    """An error, a crash and an unknown form are one failure with a code, never another exception."""
    with pytest.raises(Failed) as failed:
        scripted(source + AND_THE_OTHERS).answers(tmp_path)
    assert failed.value.code == "codex_cli_failed"


def test_requests_of_the_server_are_not_answers(scripted: Script) -> None:
    """A message with our id that is a request of the other side is skipped."""
    request = json.dumps({"id": 1, "method": "ask", "params": {}})
    answer = json.dumps({"id": 1, "result": {"data": [{"model": "m", "isDefault": True}]}})
    assert scripted(f"print({request!r}); print({answer!r}, flush=True)").default_model() == "m"


def test_a_program_that_cannot_run(tmp_path: Path) -> None:
    """A path that is no program fails with a code."""
    with pytest.raises(Failed) as failed:
        CodexCli(program=tmp_path, environ={}).version()
    assert failed.value.code == "codex_cli_failed"


# ---- The real one ----------------------------------------------------------------------------------------------


def test_the_real_version(real: CodexCli) -> None:
    """The pinned release, or whatever the person who runs the tests has chosen."""
    assert real.version() >= (0, 130, 0)


def test_the_real_login(real: CodexCli, codex_home: Path) -> None:
    """No login, an API key, and no login again."""
    assert Login.NONE == real.login()
    (codex_home / "auth.json").write_text('{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-not-a-real-key"}')
    assert Login.API_KEY == real.login()


@pytest.mark.parametrize(
    ("auth", "store"),
    [
        ({"OPENAI_API_KEY": "sk-a", "tokens": json.loads(chatgpt_login())["tokens"]}, None),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-a"}, "file"),
        ({"auth_mode": "apikey", "tokens": json.loads(chatgpt_login())["tokens"]}, None),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-a"}, "ephemeral"),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-a"}, "keyring"),
    ],
    ids=["no mode", "file", "no key", "ephemeral", "keyring"],
)
def test_the_real_login_of_a_file(real: CodexCli, codex_home: Path, auth: dict[str, Any], store: str | None) -> None:
    """The mode decides, and without one the key; its member must be there, and some stores ignore the file."""
    data = json.dumps(auth).encode()
    (codex_home / "auth.json").write_bytes(data)
    (codex_home / "config.toml").write_text("" if store is None else f'cli_auth_credentials_store = "{store}"\n')
    ours, its_own = login(data, store), real.login()
    assert (ours is Login.API_KEY) == (its_own is Login.API_KEY)
    assert its_own in {Login.API_KEY, Login.NONE, Login.UNKNOWN}


def test_the_real_hooks(real: CodexCli, codex_home: Path, tmp_path: Path) -> None:
    """A hook in hooks.json is listed with the key and hash that its trust is stored under."""
    command = {"type": "command", "command": "true", "timeout": 10}
    (codex_home / "hooks.json").write_text(json.dumps({"hooks": {"SessionStart": [{"hooks": [command]}]}}))
    answers = real.answers(tmp_path)
    (hook,) = answers.hooks
    assert f"{codex_home / 'hooks.json'}:session_start:0:0" == hook.key
    assert ("sessionStart", "true", True, "untrusted") == (hook.event, hook.command, hook.enabled, hook.trust_status)
    assert str(codex_home / "hooks.json") == hook.source_path
    assert hook.current_hash.startswith("sha256:")
    assert ((), "", None, "") == (answers.dropped_hooks, answers.refusal, answers.hooks_feature, answers.barred_hooks)
    assert real.version() == answers.version

    state = f'[hooks.state.{json.dumps(hook.key)}]\ntrusted_hash = "{hook.current_hash}"\n'
    (codex_home / "config.toml").write_text(state)
    assert [(hook.key, "trusted")] == [(one.key, one.trust_status) for one in real.answers(tmp_path).hooks]


@pytest.mark.codex_since("0.150", "0.130 takes any key at the root")
def test_a_broken_hooks_file_is_a_warning(real: CodexCli, codex_home: Path, tmp_path: Path) -> None:
    """Codex ignores the whole file and says so; so do we."""
    (codex_home / "hooks.json").write_text('{"hooks": {}, "version": 1}')
    answers = real.answers(tmp_path)
    assert () == answers.hooks
    ((path, reason),) = answers.dropped_hooks
    assert str(codex_home / "hooks.json") == path
    assert reason.startswith("unknown field `version`")


def test_the_real_tiers(real: CodexCli) -> None:
    """The default model has Fast, under the name that it has on the wire; a model that nobody knows has no entry."""
    assert "priority" in (real.tiers(str(real.default_model())) or ())
    assert real.tiers("unknown-model") is None


def test_the_real_default_model(real: CodexCli) -> None:
    """A fresh home has a default model."""
    assert (real.default_model() or "").startswith("gpt-")


def test_the_default_model_is_asked_for_without_the_provider(codex_cli: Path, codex_home: Path) -> None:
    """The provider gets no `GET /models` with the login of the user, which nobody asked for (Codex 0.171)."""
    with Listener(login=True) as provider:
        (codex_home / "auth.json").write_text(chatgpt_login())
        (codex_home / "config.toml").write_text(f'openai_base_url = "{provider.base_url}"\n')
        nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
        cli = find_codex({**os.environ, **nowhere}, codex_home, program=codex_cli)
        assert cli is not None
        assert (cli.default_model() or "").startswith("gpt-")
        assert () == provider.received
