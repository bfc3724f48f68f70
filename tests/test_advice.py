"""A command that an answer names acts on the home that the answer is about."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfp.advice import at_home, called_as, commands_in, home_flag, in_powershell, quoted
from cfp.commands import COMMANDS
from cfp.commands.parsing import parsed
from cfp.layout import Layout
from tests.commands.test_cli import run_command
from tests.house.message_tables import all_messages
from tests.users import of_user


def test_the_usual_home_needs_no_flag(tmp_path: Path) -> None:
    """`~/.codex` is what a command means by itself, by whatever name it is reached."""
    environ = of_user(tmp_path)
    assert "" == home_flag(Layout(tmp_path / ".codex"), environ)
    assert f" --codex-home {quoted(str(tmp_path / 'my home'))}" == home_flag(Layout(tmp_path / "my home"), environ)


@pytest.mark.beyond_wine("a symbolic link, which Wine 8 does not make")
def test_the_usual_home_behind_a_link_needs_no_flag(tmp_path: Path) -> None:
    """`~/.codex` is what a command means by itself, by whatever name it is reached."""
    (tmp_path / "link").symlink_to(tmp_path / ".codex")
    assert "" == home_flag(Layout(tmp_path / "link"), of_user(tmp_path))


# What completes a command before it gets the flag.
_FLAGS = {
    "{provider_flag}": " --provider relay",
    "{key_flag}": " --from-stdin",
    "{flags}": " --from-env NAME",
    "{change}": "install --start",
    "{verb}": "install --start",
}


@pytest.mark.parametrize("action", sorted({text.action for text in all_messages() if commands_in(text.action)}))
def test_every_command_takes_the_flag(action: str) -> None:
    """Behind its verb and once, so that the line is one that the program takes.

    Other programs' commands are left alone, and one that is about another home keeps the home that it names.
    """
    for placeholder, words in _FLAGS.items():
        action = action.replace(placeholder, words)
    for command in commands_in(at_home(action, " --codex-home '/a b'")):
        program, verb, *rest = shlex.split(re.sub(r"--port (NUMBER|\{free_port\})", "--port 8788", command))
        if program != "codex-fast-proxy" or verb not in COMMANDS or "--help" in rest:
            assert "--codex-home" not in rest
            continue
        expected = "{quoted_home}" if "{quoted_home}" in command else "/a b"
        assert expected == parsed(verb, rest)["codex_home"]


def named(answer: Any) -> Iterator[str]:
    """Every command of ours that an answer names, wherever it does."""
    if isinstance(answer, str):
        parts = (answer, *answer.split("`"))
        yield from (part for part in parts if part.startswith("codex-fast-proxy ") and part.split()[1] in COMMANDS)
    elif isinstance(answer, dict | list):
        for value in answer.values() if isinstance(answer, dict) else answer:
            yield from named(value)


WORDS = [
    ["status"],
    ["doctor"],
    ["install"],
    ["start"],
    ["stop"],
    ["recover"],
    ["set-upstream", "--upstream-base", "https://other.example/v1"],
    ["dashboard", "--no-open"],
    ["benchmark"],
]


@pytest.mark.parametrize("form", ["apart", "joined"])
@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_home_that_was_named_is_named_again(words: list[str], form: str, tmp_path: Path) -> None:
    """A pasted command of an answer acts on the home of that answer, from any folder, in any shell."""
    home = tmp_path / "my $HOME"
    home.mkdir()
    flag = ["--codex-home", str(home)] if form == "apart" else ["--codex-home", "first", f"--codex-home={home}"]
    environ = {**of_user(tmp_path), "PATH": "/nowhere"}
    _, text = run_command(*words, *flag, environ=environ)
    commands = [shlex.split(command) for command in named(json.loads(text))]
    assert commands or words == ["stop"]
    for _, verb, *rest in commands:
        assert str(home) == parsed(verb, rest)["codex_home"]
    _, page = run_command(*words, *flag, "--format", "text", environ=environ)
    assert all(command in " ".join(page.split()) for command in named(json.loads(text).get("next_user_action", "")))


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_home_that_is_meant_anyway_is_not(words: list[str], tmp_path: Path) -> None:
    """The default, and that of CODEX_HOME, also where a flag names it; with another one the flag is needed."""
    usual, other = tmp_path / ".codex", tmp_path / "other"
    usual.mkdir()
    other.mkdir()
    base = {**of_user(tmp_path), "PATH": "/nowhere"}
    plain = run_command(*words, environ=base)[1]
    assert "--codex-home" not in plain
    assert "--codex-home" not in run_command(*words, "--codex-home", str(usual), environ=base)[1]
    environ = {**base, "CODEX_HOME": str(other)}
    assert "--codex-home" not in run_command(*words, environ=environ)[1]
    assert "--codex-home" not in run_command(*words, "--codex-home", f"{other}/", environ=environ)[1]
    commands = list(named(json.loads(run_command(*words, "--codex-home", str(usual), environ=environ)[1])))
    assert commands == [
        command
        for command in commands
        if f"--codex-home {usual}" in command or f"--codex-home {quoted(str(usual))}" in command
    ]


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (r"C:\Users\u\.venv\Scripts\codex-fast-proxy", r"C:\Users\u\.venv\Scripts\codex-fast-proxy"),
        (r"C:\Program Files\x\cfp", r"& 'C:\Program Files\x\cfp'"),
        (r"C:\Users\O'Neil\cfp", r"& 'C:\Users\O''Neil\cfp'"),
        (r"C:\$a`b\cfp", r"& 'C:\$a`b\cfp'"),
    ],
)
def test_a_program_in_powershell(path: str, typed: str) -> None:
    """A path that must be quoted is run with the operator, since PowerShell prints a quoted word."""
    assert typed == in_powershell(path)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A console script in a folder of its own."""
    path = tmp_path / "bin" / ("codex-fast-proxy.exe" if sys.platform == "win32" else "codex-fast-proxy")
    path.parent.mkdir()
    path.touch()
    path.chmod(0o755)
    return path


def test_a_program_on_path_is_called_by_its_name(script: Path) -> None:
    """If that name leads to this very file, and the user's shell has that PATH, too."""
    found_by = {"PATH": str(script.parent), "PATHEXT": ".EXE"}
    assert "codex-fast-proxy" == called_as(str(script), ["python"], found_by)
    for environ in ({"PATH": "/nowhere"}, {}, {**found_by, "UV": "/usr/bin/uv"}):
        assert str(script) in called_as(str(script), ["python"], environ)


def test_another_program_of_the_name_is_not_meant(script: Path, tmp_path: Path) -> None:
    """The first one on PATH is another installation."""
    other = tmp_path / "other" / script.name
    other.parent.mkdir()
    other.touch()
    other.chmod(0o755)
    environ = {"PATH": os.pathsep.join((str(other.parent), str(script.parent))), "PATHEXT": ".EXE"}
    assert str(script) in called_as(str(script), ["python"], environ)


def test_a_module_is_called_by_its_interpreter() -> None:
    """By name where PATH leads to it; the words behind are the same for each of our modules."""
    folder, name = os.path.split(sys.executable)
    for module in ("/x/codex_fast_proxy.py", "/x/cfp/__main__.py"):
        assert f"{name} -m codex_fast_proxy" == called_as(module, [name], {"PATH": folder})
        assert called_as(module, [sys.executable], {"PATH": folder}).endswith(" -m codex_fast_proxy")
        assert sys.executable in called_as(module, [name], {"PATH": "/nowhere"})


def test_a_path_that_would_break_the_sentences_is_not_named(script: Path) -> None:
    """They mark commands with backticks."""
    assert "codex-fast-proxy" == called_as(str(script.parent / "a`b" / "cfp"), ["python"], {"PATH": "/nowhere"})
