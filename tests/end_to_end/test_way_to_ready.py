"""From "model requests return 401 after signing in with ChatGPT" to a turn of the real Codex, by advice alone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.end_to_end.harness import KEY, KEY_ENV, Machine, chatgpt_login, login_config
from tests.promised import answer_in
from tests.systems import posix_module

pty = posix_module("pty")


def enabled(machine: Machine) -> None:
    machine.install("--no-verify")


def nothing(_: Machine) -> None:
    """Leave the proxy out."""


@pytest.mark.parametrize("before", [nothing, enabled])
def test_a_401_after_the_login_ends_in_a_turn(codex: Machine, before: Callable[[Machine], None]) -> None:
    """Each command as the program gives it: the refused turn goes through in the end, and still with the login."""
    codex.environ[KEY_ENV] = ""
    codex.upstream.login = True  # that is the trouble
    codex.write("config.toml", login_config(codex.upstream.base_url))
    codex.write("auth.json", chatgpt_login())
    before(codex)
    refused = codex.codex_exec()
    assert (True, True) == (refused.code != 0, "401" in refused.stderr), refused.transcript
    commands = []
    while (answer := codex.cfp("status").json)["diagnosis"]["code"] != "ready":
        for command in answer["next_commands"]:
            commands.append(command)
            _, *words = shlex.split(command)
            port = ["--port", str(codex.port)] if words[0] == "install" else []  # others use the usual one
            ran = codex.cfp(*words, *port, entered=f"{KEY}\n")
            assert 0 == ran.code, ran.transcript
        assert len(commands) <= 3, commands
    seen = len(codex.upstream.received)
    turn = codex.turn()
    assert (f"Bearer {KEY}", None) == (turn.header("authorization"), turn.header("chatgpt-account-id"))
    assert [] == [request for request in codex.upstream.received[seen:] if request.header("chatgpt-account-id")]
    assert "chatgpt" == codex.cfp("status").json["login_mode"]


@pytest.mark.posix("pseudo-terminals")
def test_a_key_is_asked_for_on_a_terminal_where_codex_sends_none(machine: Machine) -> None:
    """Without an echo, and saved; nothing that the terminal or the output shows has it."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", chatgpt_login())
    shown, answer = on_a_terminal(machine, "prepare-chatgpt-login", "--apply", entered=KEY)
    assert ("prepared", "stdin") == (answer["status"], answer["source"])
    assert (True, False) == ("not shown" in shown, KEY in shown + str(answer))
    assert KEY in (machine.state / "provider-auth.json").read_text()


@pytest.mark.posix("pseudo-terminals")
@pytest.mark.parametrize("words", [[], ["--from-env", "MY_KEY", "--apply"]], ids=["dry run", "named"])
def test_no_key_is_asked_for_where_none_is_wanted(machine: Machine, words: list[str]) -> None:
    """A dry run reads nothing from anybody, and who has named a key wants that one: the ways are named instead."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", chatgpt_login())
    shown, answer = on_a_terminal(machine, "prepare-chatgpt-login", *words)
    assert ("source_key_unknown", False) == (answer["code"], "not shown" in shown)
    for way in ("--from-stdin --apply`", "--from-env NAME --apply`", "--source-auth-key NAME --apply`"):
        assert f"`codex-fast-proxy prepare-chatgpt-login {way}" in answer["next_user_action"]


@pytest.mark.posix("pseudo-terminals")
def test_no_key_is_asked_of_an_agent(machine: Machine) -> None:
    """Codex gives the commands of its agent a terminal of their own, where nobody would answer."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", chatgpt_login())
    machine.environ["CODEX_CI"] = "1"
    shown, answer = on_a_terminal(machine, "prepare-chatgpt-login", "--apply")
    assert ("source_key_unknown", False) == (answer["code"], "not shown" in shown)


def test_no_key_is_taken_from_a_pipe_that_nobody_named(machine: Machine) -> None:
    """Whatever stands on the standard input may be meant for another program."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", chatgpt_login())
    before = machine.files()
    ran = machine.cfp("prepare-chatgpt-login", "--apply", entered=f"{KEY}\n")
    assert (2, "source_key_unknown") == (ran.code, ran.json["code"]), ran.transcript
    assert before == machine.files()


def on_a_terminal(machine: Machine, *words: str, entered: str = "") -> tuple[str, dict[str, object]]:
    """Run our program with a terminal for its input and its errors; return what that shows, and the answer.

    entered  typed once the program has asked
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "codex_fast_proxy", *words]
    with subprocess.Popen(
        command,
        cwd=machine.work,
        env=machine.environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        if entered:
            while b"not shown" not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, entered.encode() + b"\n")
        stdout, _ = process.communicate(timeout=60)
    with suppress(OSError):  # on Linux, where nobody has the other end open any more
        shown += os.read(ours, 65536)
    os.close(ours)
    return shown.decode(), answer_in(stdout.decode())
