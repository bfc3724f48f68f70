"""`run -- codex …`: one session through a proxy of its own; the home is as it was, and nothing stays."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cfp.demo.scripted_turns import Reject, ScriptedTurn
from tests.end_to_end.harness import (
    BACKUPS,
    JOURNAL,
    KEY,
    KEY_ENV,
    STATE,
    Machine,
    api_key_login,
    chatgpt_login,
    relay_config,
)
from tests.programs import write_program
from tests.systems import posix_module

# Says how it was called, then waits for a signal; answers TERM and HUP with exit codes of its own.
_STAND_IN = """
import os, pathlib, signal, sys, threading

if sys.argv[1:2] == ["--version"]:
    sys.exit(print("codex-cli 0.169.0"))
for code, name in enumerate(("SIGTERM", "SIGHUP"), 7):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), lambda _number, _frame, code=code: os._exit(code))
part = pathlib.Path(os.environ["WORDS"] + ".part")
part.write_text("".join(word + "\\n" for word in sys.argv[1:]))
part.replace(os.environ["WORDS"])
print("ready", flush=True)
if os.environ.get("END"):
    sys.exit(int(os.environ["END"]))
while True:
    threading.Event().wait(1)
"""


@pytest.fixture
def stand_in(machine: Machine) -> Machine:
    """A machine whose `codex` only says how it was called."""
    programs = machine.root / "bin"
    write_program(programs / "codex", _STAND_IN)
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    machine.environ |= {"PATH": path, "WORDS": str(machine.root / "words")}
    machine.relay()
    machine.write("auth.json", api_key_login())
    return machine


def started(machine: Machine, *words: str) -> tuple[subprocess.Popen[str], int]:
    """`run` once its program is there, and the port of its proxy."""
    process = machine._start(
        [sys.executable, "-P", "-m", "codex_fast_proxy", "run", *words], machine.environment(), subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert "ready\n" == process.stdout.readline()
    match = re.search(r"http://127\.0\.0\.1:(\d+)/v1", "\n".join(words_of(machine)))
    assert match is not None
    return process, int(match[1])


def words_of(machine: Machine) -> list[str]:
    return Path(machine.environ["WORDS"]).read_text().splitlines()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def seen(home: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(home)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in home.rglob("*")
        if path.is_file()
    }


def test_one_turn_of_the_real_codex(codex: Machine) -> None:
    """Fast on the wire, the provider's key, the answer on stdout; of the home, Codex's own files alone are new."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    before = seen(codex.home)
    ran = codex.cfp("run", "--", "codex", "exec", "--skip-git-repo-check", "Say hello")
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    (turn,) = codex.upstream.turns
    assert "priority" == turn.json()["service_tier"]
    after = seen(codex.home)
    assert before == {name: after[name] for name in before}
    assert not [name for name in after if name.startswith((STATE, JOURNAL, BACKUPS, "hooks.json"))]
    assert [] == codex.processes()
    assert [] == [path for path in codex.temporary.iterdir() if path.name.startswith("codex-fast-proxy")]


def test_a_failure_of_codex_is_ours(codex: Machine) -> None:
    """Its exit code is passed on, and the provider's own words reach the user."""
    codex.relay()
    codex.upstream.script(*[Reject(status=400, message="no such model here")] * 3)
    ran = codex.cfp("run", "--quiet", "--", "codex", "exec", "--skip-git-repo-check", "hello")
    assert 1 == ran.code
    assert "no such model here" in ran.stderr
    assert "codex-fast-proxy" not in ran.stderr.replace(str(codex.root), "")


@pytest.mark.parametrize("name", ["relay.v2", "Relay & Söhne", 'a "quoted" one'])
def test_any_provider_can_be_named(codex: Machine, name: str) -> None:
    """Dots, spaces, quotes; one that is not active is chosen for this once."""
    quoted = json.dumps(name, ensure_ascii=False)
    url = codex.upstream.base_url
    table = f'\n[model_providers.{quoted}]\nname = "Other"\nbase_url = "{url}"\nenv_key = "RELAY_KEY"\n'
    codex.write("config.toml", relay_config("http://127.0.0.1:9/v1", table=table))
    words = ("run", "--provider", name, "--service-tier-policy", "inject_missing", "--")
    ran = codex.cfp(*words, "codex", "exec", "--skip-git-repo-check", "hello")
    assert (0, 1) == (ran.code, len(codex.upstream.turns)), ran.transcript


def test_a_session_beside_an_installation(codex: Machine) -> None:
    """An enabled home stays as it is; this session alone has another policy."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install("--service-tier-policy", "preserve")
    before = codex.files()
    words = ("run", "--service-tier-policy", "inject_missing", "--")
    ran = codex.cfp(*words, "codex", "exec", "--skip-git-repo-check", "hello")
    assert (0, "priority") == (ran.code, codex.upstream.turns[-1].json().get("service_tier")), ran.transcript
    changed = {name for name, seen in codex.files().items() if before.get(name) != seen}
    assert changed <= {str(Path(STATE, "state", "fast_proxy.config-seen"))}  # the installation's own hook has run


@pytest.mark.posix("signals reach the program")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 7), ("SIGHUP", 8)])
def test_signals_are_for_the_program(stand_in: Machine, name: str, code: int) -> None:
    """A signal to `run` reaches its program; `run` exits with the program's code, and the proxy ends too."""
    process, port = started(stand_in, "--", "codex")
    assert listens(port)
    process.send_signal(getattr(signal, name))
    assert code == stand_in.finish(process).code
    assert not listens(port)


@pytest.mark.posix("signals reach the program")
def test_an_interrupt_of_the_terminal_is_the_programs_business(stand_in: Machine) -> None:
    """^C reaches the whole job: we wait for what the program makes of it."""
    process, _ = started(stand_in, "--", "codex")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert 7 == stand_in.finish(process).code


@pytest.mark.posix("the exit code tells of a signal")
def test_a_program_that_is_killed(stand_in: Machine) -> None:
    """128 and the signal's number, as a shell has it."""
    process, _ = started(stand_in, "--", "codex")
    (program,) = [child for child in psutil.Process(process.pid).children() if "codex" in " ".join(child.cmdline())]
    program.kill()
    assert 137 == stand_in.finish(process).code


@pytest.mark.beyond_wine("the end of all threads of a killed process, at once")
def test_no_worker_outlives_us(stand_in: Machine) -> None:
    """Even after kill -9."""
    process, port = started(stand_in, "--", "codex")
    process.kill()
    process.wait()
    assert not listens(port)
    assert "codex" in [one.name().removesuffix(".exe") for one in stand_in.processes()]  # Codex itself goes on
    stand_in.end_everything()
    stand_in.finish(process)


def test_the_arguments_of_codex(stand_in: Machine) -> None:
    """The route first, then the user's words as they are; an interactive session stays in the foreground."""
    stand_in.environ["END"] = "0"
    process, port = started(stand_in, "--", "codex", "-m", "gpt-5.5", "--help", "two words")
    assert 0 == stand_in.finish(process).code
    route = f'model_providers={{"relay"={{base_url="http://127.0.0.1:{port}/v1"}}}}'
    assert ["-c", route, "--no-daemon", "-m", "gpt-5.5", "--help", "two words"] == words_of(stand_in)


@pytest.mark.parametrize("kept", [False, True])
def test_a_login_for_the_provider_is_named(stand_in: Machine, kept: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """A ChatGPT login that Codex would send to the provider is named, unless a key takes its place."""
    text = relay_config(stand_in.upstream.base_url, table="requires_openai_auth = true\n")
    stand_in.write("config.toml", text.replace('env_key = "RELAY_KEY"\n', ""))
    stand_in.write("auth.json", chatgpt_login())
    stand_in.environ["END"] = "0"
    ran = stand_in.cfp("run", *(["--upstream-api-key-env", "RELAY_KEY"] if kept else []), "--", "codex")
    assert (0, not kept) == (ran.code, "ChatGPT login to that provider" in ran.stderr), ran.transcript


def test_a_key_that_cannot_be_sent_is_named(stand_in: Machine) -> None:
    """By its place, on stderr, and without showing it."""
    stand_in.environ |= {KEY_ENV: f"{KEY}\n", "END": "3"}
    ran = stand_in.cfp("run", "--", "codex", "exec", "hello")
    assert 3 == ran.code
    assert f"The key in the variable {KEY_ENV} has a line break" in ran.stderr
    assert KEY not in ran.stderr + ran.stdout


def test_a_profile_and_a_flag_choose_the_provider(stand_in: Machine) -> None:
    """`run` reads the provider from a profile or a `-c` flag, as Codex does."""
    table = '\n[model_providers.other]\nname = "Other"\nbase_url = "https://other.example/v1"\n'
    stand_in.write("config.toml", relay_config(stand_in.upstream.base_url, table=table))
    stand_in.write("away.config.toml", 'model_provider = "other"\n')
    stand_in.environ["END"] = "0"
    for words in (
        ["-p", "away"],
        ["--profile=away"],
        ["-c", "model_provider=other"],
        ["--config", 'model_provider="other"'],
    ):
        process, _ = started(stand_in, "--", "codex", "exec", *words)
        stand_in.finish(process)
        assert "other" in words_of(stand_in)[3], words


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "run_needs_codex"),
        (["--", sys.executable], "run_needs_codex"),
        (["--", "codex-that-is-not-there"], "run_program_missing"),
    ],
)
def test_refusals(machine: Machine, words: list[str], code: str) -> None:
    """In JSON, before anything runs."""
    machine.relay()
    ran = machine.cfp("run", *words)
    assert (2, code) == (ran.code, ran.json["code"])


def test_an_outbound_proxy_is_not_asked_for_the_way_to_us(stand_in: Machine) -> None:
    """Codex would send even loopback requests through HTTP_PROXY."""
    names = ("NO_PROXY", "HTTP_PROXY", "CODEX_HOME")
    write_program(
        stand_in.root / "bin" / "codex", f"import os; print(*(os.environ.get(name, '') for name in {names}), sep='|')"
    )
    stand_in.environ |= {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "intern.example"}
    ran = stand_in.cfp("run", "--codex-home", str(stand_in.home), "--", "codex")
    home = stand_in.environment().get("CODEX_HOME", "")
    assert f"intern.example,127.0.0.1,localhost|http://proxy.example:3128|{home}" == ran.stdout.strip()


@pytest.mark.posix("a pseudo-terminal")
def test_the_terminal_is_the_programs(stand_in: Machine) -> None:
    """The program's stdin, stdout and stderr are the terminal of `run`, as an interactive session needs."""
    source = "import os; print('kept' if all(map(os.isatty, range(3))) else 'lost')"
    write_program(stand_in.root / "bin" / "codex", source)
    terminal, ours = posix_module("pty").openpty()
    command = [sys.executable, "-P", "-m", "codex_fast_proxy", "run", "--quiet", "--", "codex"]
    with subprocess.Popen(command, env=stand_in.environment(), stdin=ours, stdout=ours, stderr=ours) as process:
        os.close(ours)
        assert b"kept\r\n" == os.read(terminal, 100)
        assert 0 == process.wait(30)
    os.close(terminal)
