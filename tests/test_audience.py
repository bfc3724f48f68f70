"""A person at a terminal gets text, every program JSON, and a flag or a variable decides before both."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cfp.audience import AGENTS, VARIABLE, format_for, is_agents
from cfp.cli import Streams, main
from tests.users import of_user


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(*argv: str, environ: dict[str, str] | None = None, terminal: bool = True) -> tuple[int, str]:
    out = Terminal() if terminal else io.StringIO()
    whole = {**of_user("/nowhere"), "PATH": "/nowhere", **(environ or {})}
    return main(argv, whole, Streams(out=out, err=io.StringIO())), out.getvalue()


FLAGS = (None, "auto", "json", "text", "xml")
VALUES = (None, "", "auto", "json", "text", "xml")


@pytest.mark.parametrize(
    ("flag", "value", "terminal", "agent"), [*itertools.product(FLAGS, VALUES, (True, False), (True, False))]
)
def test_who_decides(flag: str | None, value: str | None, *, terminal: bool, agent: bool) -> None:
    """First the flag, then the variable, then the terminal, unless it is an agent's; a wrong word decides nothing."""
    environ = {**({} if value is None else {VARIABLE: value}), **({"CODEX_THREAD_ID": "01"} if agent else {})}
    chosen = next((word for word in (flag, value) if word in {"json", "text"}), None)
    assert (chosen or ("text" if terminal and not agent else "json")) == format_for(flag, environ, terminal=terminal)


@pytest.mark.parametrize("variable", AGENTS)
def test_a_terminal_of_an_agent_is_a_pipe(variable: str) -> None:
    """Whatever its value, but for an empty one; errors of usage are no exception."""
    for words in (["status"], ["status", "--nope"], ["nope"]):
        assert json.loads(printed(*words, environ={variable: "1"})[1]) == json.loads(
            printed(*words, terminal=False)[1]
        )
        assert not printed(*words, environ={variable: ""})[1].startswith("{")


@pytest.mark.parametrize("variable", ["CI", "GITHUB_ACTIONS", "TERM_PROGRAM", "VSCODE_PID", "AIDER_MODEL"])
def test_a_person_may_have_these(variable: str) -> None:
    """A build server has no terminal anyway, and an editor's terminal is its user's."""
    assert not is_agents({variable: "true"})
    assert not printed("status", environ={variable: "true"})[1].startswith("{")


def test_a_wrong_variable_is_an_error_of_usage() -> None:
    """It names the variable and its values; a flag that decides makes it no matter."""
    code, text = printed("status", environ={VARIABLE: "yaml"}, terminal=False)
    answer = json.loads(text)
    assert (2, "usage") == (code, answer["code"])
    assert all(word in answer["error"] for word in (VARIABLE, "yaml", "auto, json, text"))
    assert VARIABLE in printed("status", environ={VARIABLE: "yaml"})[1]
    for word in ("json", "text"):
        assert VARIABLE not in printed("status", "--format", word, environ={VARIABLE: "yaml"})[1]


def test_a_wrong_variable_keeps_no_proxy_from_its_start() -> None:
    """The verb of Codex's hook reads no such variable."""
    assert VARIABLE not in printed("autostart", environ={VARIABLE: "yaml"})[1]
    assert 0 == printed("autostart", "--quiet", environ={VARIABLE: "yaml"})[0]


def test_a_program_pays_for_no_page(tmp_path: Path) -> None:
    """Nothing that draws is imported where JSON is printed into a pipe."""
    code = "import sys; from cfp.cli import run; run(['status']); sys.exit('rich' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **of_user(tmp_path)}, capture_output=True, check=False
    )
    assert (0, True) == (done.returncode, done.stdout.startswith(b"{"))
