"""Our program on a real terminal: each verb's page for a person, and a next command that works as pasted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cfp.advice import quoted
from cfp.demo.scripted_turns import ScriptedTurn, Stall
from tests.end_to_end.harness import Machine, api_key_login
from tests.terminal import OnTerminal, run_on_terminal

pytestmark = pytest.mark.posix("a pseudo-terminal")

MODULE = (sys.executable, "-m", "codex_fast_proxy")
SCRIPT = Path(sys.executable).parent / "codex-fast-proxy"
MARKS = ("✓ ", "✗ ", "! ")


@pytest.fixture
def home(machine: Machine) -> Machine:
    """A home with a provider and its key; no Codex."""
    machine.environ["PATH"] = os.defpath
    machine.relay()
    machine.write("auth.json", api_key_login())
    return machine


def typed(machine: Machine, *words: str, program: tuple[str, ...] = MODULE) -> OnTerminal:
    return run_on_terminal([*program, *words], environ=machine.environment(), folder=machine.work)


def page(machine: Machine, *words: str, code: int = 0) -> list[str]:
    """The lines of a verb's page: it begins with the verdict and leaves a line of the screen for the prompt."""
    shown = typed(machine, *words)
    assert shown.code == code, shown.text
    assert shown.shows_cursor
    lines = shown.screen
    assert lines[0].startswith(MARKS), shown.text
    assert len(lines) <= 23, shown.text
    assert not shown.output.startswith("{")
    return lines


STORY: tuple[tuple[int, tuple[str, ...], str], ...] = (
    # code  words                                                     words of the first line
    (0, ("status",), "The proxy is not enabled."),
    (0, ("doctor",), "checks passed"),
    (0, ("install", "--dry-run"), "planned"),
    (0, ("install", "--start", "--port", "{port}"), "installed"),
    (0, ("status",), "Ready: the next request goes through the proxy."),
    (0, ("doctor", "--online"), "checks passed"),
    (0, ("start",), "already running"),
    (0, ("autostart",), "already running"),
    (2, ("stop",), "config.toml still points at the proxy"),
    (0, ("verify-upstream",), "verified"),
    (0, ("upstream", "add", "main"), "added"),
    (0, ("upstream", "list"), "listed"),
    (0, ("upstream", "use", "main"), "in use"),
    (0, ("fast", "add", "--kind", "review", "--action", "remove"), "added"),
    (0, ("fast", "list"), "listed"),
    (0, ("fast", "test", "--kind", "review"), "tested"),
    (0, ("set-upstream", "--service-tier-policy", "preserve"), "upstream updated"),
    (0, ("prepare-chatgpt-login",), "dry run"),
    (0, ("benchmark", "--mode", "direct", "--pairs", "1", "--profile", "smoke"), "not enough data"),
    (0, ("usage",), "no requests"),
    (0, ("dashboard", "--no-open"), "found"),
    (0, ("journal", "list"), "transactions"),
    (0, ("recover",), "clean"),
    (0, ("link-skill", "--repo-root", "{skill}", "--skills-root", "{skills}"), "linked"),
    (0, ("unlink-skill", "--repo-root", "{skill}", "--skills-root", "{skills}"), "unlinked"),
    (0, ("uninstall",), "uninstalled"),
    (2, ("status", "--nope"), "The command line is wrong"),
    (2, ("nope",), "The command line is wrong"),
)


def test_each_verb_has_a_page(home: Machine, tmp_path: Path) -> None:
    """From the first status to the uninstall, errors included; the same words in a pipe give JSON."""
    skill = tmp_path / "skill"
    skill.mkdir()
    (skill / "SKILL.md").write_text("---\nname: x\n---\n")
    places = {"port": home.port, "skill": skill, "skills": tmp_path / "skills"}
    for code, words, verdict in STORY:
        lines = page(home, *(word.format(**places) for word in words), code=code)
        assert verdict in lines[0], lines


def test_logs_are_columns(home: Machine) -> None:
    """Of the requests that went through the proxy."""
    home.install()
    assert "has not logged a request" in typed(home, "logs").text
    home.cfp("benchmark", "--mode", "direct", "--pairs", "1", "--profile", "smoke")
    assert "{" not in typed(home, "logs").text


def test_the_demo_ends_in_a_page(home: Machine) -> None:
    """Its steps, then the verdict."""
    shown = typed(home, "demo")
    assert (0, True) == (shown.code, any(line.startswith("✓ passed  ") for line in shown.screen)), shown.text


@pytest.mark.parametrize("flag", ["json", "text"])
def test_the_flag_decides(home: Machine, flag: str) -> None:
    """On a terminal as in a pipe."""
    on_terminal, in_pipe = typed(home, "status", "--format", flag).text, home.cfp("status", "--format", flag).stdout
    assert ("{" == on_terminal[0], "{" == in_pipe[0]) == (flag == "json",) * 2


def programs(machine: Machine) -> dict[str, tuple[tuple[str, ...], str, str]]:
    """Ways to call the program: the words, a folder to put first on PATH, and its name in a next command."""
    script = str(SCRIPT)
    spaced = machine.root / "a folder" / SCRIPT.name
    spaced.parent.mkdir()
    shutil.copy(SCRIPT, spaced)
    return {
        "on PATH": ((SCRIPT.name,), str(SCRIPT.parent), SCRIPT.name),
        "short name on PATH": (("cfp",), str(SCRIPT.parent), "cfp"),
        "by its path": ((script,), "", quoted(script)),
        "by a path with a space": ((str(spaced),), "", quoted(str(spaced))),
        "a module": (MODULE, "", f"{quoted(sys.executable)} -m codex_fast_proxy"),
        "a module of python on PATH": (
            (Path(sys.executable).name, *MODULE[1:]),
            str(Path(sys.executable).parent),
            f"{Path(sys.executable).name} -m codex_fast_proxy",
        ),
    }


WAYS = (
    *("on PATH", "short name on PATH", "by its path", "by a path with a space"),
    *("a module", "a module of python on PATH"),
)


@pytest.mark.parametrize("way", WAYS)
def test_the_next_command_works_as_pasted(home: Machine, way: str) -> None:
    """Named as the program was called, it does what the page says; with the home where that is not the usual one."""
    if not SCRIPT.exists():
        pytest.skip("the program is not installed in this environment")
    home.install()
    words, folder, name = programs(home)[way]
    home.environ["PATH"] = os.pathsep.join(filter(None, (folder, os.defpath)))
    program = (shutil.which(words[0], path=home.environ["PATH"]) or words[0], *words[1:])
    if words[0] == program[0]:
        shown = typed(home, "set-upstream", "--service-tier-policy", "preserve", program=program)
    else:  # a shell passes the name on as it was typed
        line = " ".join((*words, "set-upstream", "--service-tier-policy", "preserve"))
        shown = typed(home, "-c", line, program=("/bin/sh",))
    assert shown.code == 0, shown.text
    last = shown.output.rstrip().splitlines()[-1]
    command = re.sub(r"\x1b\[[0-9;]*m", "", last).strip()
    flag = f" --codex-home {quoted(str(home.home))}" if "CODEX_HOME" not in home.environment() else ""
    assert command in {f"{name} start", f"{name} start{flag}"}
    pasted = subprocess.run(
        ["/bin/sh", "-c", command], cwd=home.work, env=home.environment(), capture_output=True, text=True, check=False
    )
    assert (0, True) == (pasted.returncode, '"status": "restarted"' in pasted.stdout), pasted.stdout + pasted.stderr


WAITING = ("install", "--start", "--verify-timeout", "15")


def test_a_slow_provider_is_seen_waiting(home: Machine) -> None:
    """The provider's name, the seconds so far and the limit; then the page alone is left."""
    home.upstream.script(ScriptedTurn(first_after=3.5))
    shown = typed(home, *WAITING, "--port", str(home.port))
    netloc = home.upstream.base_url.removeprefix("http://").partition("/")[0]
    for seconds in (1, 2, 3):
        words = f"waiting for {netloc} to answer one small request ({seconds} s of 15 s)"
        assert words in shown.output
    assert "waiting" not in shown.text
    assert (0, True) == (shown.code, shown.screen[0].startswith("✓ installed"))


def test_an_interrupt_leaves_a_clean_terminal(home: Machine) -> None:
    """^C, by its key: the line is gone, the cursor is back, and the answer says what became of it."""
    home.upstream.script(Stall())
    before = home.files()
    pressed = threading.Event()

    def keys(output: str) -> bytes:
        if "one small request" not in output or pressed.is_set():
            return b""
        pressed.set()
        return b"\x03"

    shown = run_on_terminal(
        [*MODULE, *WAITING, "--port", str(home.port)],
        environ=home.environment(),
        folder=home.work,
        answered=keys,
    )
    assert (130, True) == (shown.code, shown.shows_cursor), shown.text
    assert "one small request" not in shown.text
    assert shown.screen[0].replace("^C", "").startswith("✗ "), shown.text  # the terminal itself shows these keys
    assert before == home.files()


@pytest.mark.parametrize("silent", ["--format json", "--format=json", "CFP_FORMAT=json", "CODEX_THREAD_ID=1"])
def test_a_program_waits_in_silence(home: Machine, silent: str) -> None:
    """Its terminal shows JSON and nothing else."""
    home.upstream.script(ScriptedTurn(first_after=1.0))
    words = silent.split() if silent.startswith("--") else []
    home.environ |= {} if words else dict([silent.split("=")])
    shown = typed(home, "verify-upstream", *words)
    assert "verified" == json.loads(shown.output)["status"]


def test_a_pipe_waits_in_silence(home: Machine) -> None:
    """Neither stdout nor stderr has more than before."""
    home.upstream.script(ScriptedTurn(first_after=1.0))
    ran = home.cfp("verify-upstream", "--format", "text")
    assert ("", True) == (ran.stderr, ran.stdout.startswith("✓ verified"))
