"""A command that the real Codex runs answers with JSON, on the pseudo-terminal of its tool, too."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

import pytest

from cfp.audience import AGENTS
from cfp.demo.scripted_turns import ScriptedTurn, ToolCall
from tests.end_to_end.harness import Machine
from tests.real_codex import at, chosen_version

pytestmark = pytest.mark.posix("the shell of Codex's tool, and its pseudo-terminal")

SANDBOXES = ("workspace-write", "danger-full-access")
# The variables that mark Codex, beside that of a sandbox without network, by the tool that runs the command.
MARKS = {"shell_command": {"CODEX_THREAD_ID"}, "exec_command": {"CODEX_THREAD_ID", "CODEX_CI"}}


def ran(codex: Machine, sandbox: str, tool: str, command: str, *, terminal: bool) -> str:
    """Let Codex's model call the tool with that command; return the command's output as the model gets it."""
    words: dict[str, Any] = {"cmd": command, "tty": terminal} if tool == "exec_command" else {"command": command}
    codex.upstream.script(ToolCall(namespace="", name=tool, arguments=json.dumps(words)), ScriptedTurn())
    unified = json.dumps(tool == "exec_command")
    turn = codex.codex_exec("-s", sandbox, "-c", f"features.unified_exec={unified}")
    assert turn.code == 0, turn.transcript
    (output,) = (
        item["output"] for item in codex.upstream.turns[-1].json()["input"] if item["type"] == "function_call_output"
    )
    if sandbox == SANDBOXES[0] and "BEGIN" not in output:
        pytest.skip("this machine allows no sandbox")
    return str(output.partition("BEGIN")[2])


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_the_variables_of_codex(codex: Machine, sandbox: str, *, terminal: bool) -> None:
    """Those that our table calls measured, and no other variable of the table."""
    codex.relay()
    tool = "exec_command" if terminal else at(chosen_version(), {"0.130": "shell_command", "0.150": "exec_command"})
    command = "echo BEGIN; env; if test -t 1; then echo TERMINAL=1; fi"
    names = {line.partition("=")[0] for line in ran(codex, sandbox, tool, command, terminal=terminal).splitlines()}
    without_network = {"CODEX_SANDBOX_NETWORK_DISABLED"} if sandbox == SANDBOXES[0] else set()
    assert MARKS[tool] | without_network == names & set(AGENTS)
    assert terminal == ("TERMINAL" in names)


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_our_program_answers_with_json(codex: Machine, sandbox: str) -> None:
    """On the tool's terminal, and with nothing else on it."""
    codex.relay()
    program = shlex.join([sys.executable, "-P", "-m", "codex_fast_proxy", "status"])
    answer = json.loads(ran(codex, sandbox, "exec_command", f"echo BEGIN; {program}", terminal=True))
    assert "status" == answer["command"]
