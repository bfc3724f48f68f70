"""Facts about the real Codex that the design relies on. No part of our program runs here.

Each test is one fact. Where one fails for a new release, the code that relies on it has to change first.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from cfp.demo.scripted_turns import Reject, ScriptedTurn
from cfp.host.codex_cli import find_codex
from tests.end_to_end.harness import (
    KEY,
    KEY_ENV,
    PROVIDER,
    Machine,
    api_key_login,
    built_in_config,
    chatgpt_login,
    relay_config,
    system,
)
from tests.end_to_end.listeners import Listener
from tests.ports import free_port
from tests.real_codex import FLEX, Version, at

TIERS_OF_0_130 = "0.130 refuses a config with another tier than fast and flex"
NO_RETRIES = "request_max_retries = 0\nstream_max_retries = 0\n"


def _hook(machine: Machine, command: str, *, trusted: bool = True, timeout: int = 10) -> None:
    """Put one SessionStart hook in, without a matcher as ours is, and trust it as `install` does."""
    handler = {"type": "command", "command": command, "timeout": timeout}
    machine.write("hooks.json", json.dumps({"hooks": {"SessionStart": [{"hooks": [handler]}]}}))
    if trusted:
        machine.trust(handler)


def _script(machine: Machine, source: str, *flags: str) -> str:
    """A hook command that runs a few lines of Python."""
    path = machine.root / "hook.py"
    path.write_text(source)
    return " ".join([sys.executable, *flags, str(path)])


# ---- Hooks -----------------------------------------------------------------------------------------------------


def test_the_first_turn_waits_for_a_trusted_hook(codex: Machine) -> None:
    """The hook has ended before the first POST leaves: a hook that starts the proxy is in time."""
    codex.relay()
    ended = codex.root / "ended"
    _hook(
        codex, _script(codex, f"import time; time.sleep(1); open({str(ended)!r}, 'w').write(str(time.monotonic()))")
    )
    ran = codex.codex_exec()
    assert ran.code == 0, ran.stderr
    (turn,) = codex.upstream.turns
    assert float(ended.read_text()) < turn.at


def test_a_hook_without_matcher_runs_for_resumed_sessions_too(codex: Machine) -> None:
    """Sources startup and resume both reach a hook that names no matcher."""
    codex.relay()
    log = codex.root / "sources"
    _hook(
        codex,
        _script(codex, f"import json, sys; print(json.load(sys.stdin)['source'], file=open({str(log)!r}, 'a'))"),
    )
    assert codex.codex_exec().code == 0
    resumed = codex.codex_exec("resume", "--last")
    assert resumed.code == 0, resumed.stderr
    assert ["startup", "resume"] == log.read_text().split()


@pytest.mark.parametrize("trust", ["untrusted", "modified"])
def test_a_hook_that_is_not_trusted_does_not_run(codex: Machine, trust: str) -> None:
    """Without trust, or after a change, the hook is skipped and `exec` says nothing about it."""
    codex.relay()
    trace = codex.root / "ran"
    _hook(codex, _script(codex, f"open({str(trace)!r}, 'w')"), trusted=trust == "modified")
    if trust == "modified":
        codex.hooks.write_text(codex.hooks.read_text().replace('"timeout": 10', '"timeout": 11'))
    cli = find_codex(codex.environment(), codex.home, program=codex.codex)
    assert cli is not None
    assert [trust] == [hook.trust_status for hook in cli.answers(codex.work).hooks]
    ran = codex.codex_exec()
    assert (0, False) == (ran.code, trace.exists())
    assert "hook:" not in ran.stderr


def test_a_hook_runs_in_the_folder_of_the_session(codex: Machine) -> None:
    """A hook runs in the session's folder, so Python without -P would import modules from there."""
    codex.relay()
    planted, folder = codex.root / "planted", codex.root / "folder"
    (codex.work / "json.py").write_text(f"open({str(planted)!r}, 'w')\n")
    # By -m, since Python puts a script's own folder in front of its path.
    (codex.work / "hook.py").write_text(f"import os; open({str(folder)!r}, 'w').write(os.getcwd()); import json")
    _hook(codex, f"{sys.executable} -m hook")
    assert codex.codex_exec().code == 0
    assert codex.work == Path(folder.read_text())
    assert planted.exists()


def test_a_hook_may_start_what_the_turn_needs(codex: Machine) -> None:
    """With nothing listening at first, the turn succeeds once the hook has started a listener that outlives it."""
    port = free_port()
    codex.write("config.toml", relay_config(f"http://127.0.0.1:{port}/v1"))
    relay = [sys.executable, str(Path(__file__).with_name("relay.py")), str(port), codex.upstream.base_url]
    server = (
        "import subprocess\n"
        f"relay = subprocess.Popen({relay!r}, **{system.DETACHED!r}, stdin=subprocess.DEVNULL,\n"
        "    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "relay.stdout.readline()\n"
    )
    _hook(codex, _script(codex, server))
    ran = codex.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.stderr


# ---- Errors ----------------------------------------------------------------------------------------------------


def test_the_message_of_a_502_is_shown(codex: Machine) -> None:
    """The user reads our sentence when the provider cannot be reached."""
    codex.relay(table=NO_RETRIES)
    codex.upstream.default = Reject(status=502, message="codex-fast-proxy: cannot reach example.invalid")
    ran = codex.codex_exec()
    assert ran.code == 1
    assert "502 Bad Gateway: codex-fast-proxy: cannot reach example.invalid" in ran.stderr


def test_a_400_is_shown_at_once(codex: Machine) -> None:
    """A mistake that only the user can mend is not tried again."""
    codex.relay()
    codex.upstream.default = Reject(status=400, message="codex-fast-proxy: no key")
    ran = codex.codex_exec()
    assert (1, 1) == (ran.code, len(codex.upstream.turns))
    assert "codex-fast-proxy: no key" in ran.stderr


def test_the_message_of_a_500_is_hidden(codex: Machine) -> None:
    """A status that the proxy does not use: the user would not read why."""
    codex.relay(table=NO_RETRIES)
    codex.upstream.default = Reject(status=500, message="codex-fast-proxy: no reason")
    ran = codex.codex_exec()
    assert (1, False) == (ran.code, "no reason" in ran.stderr)


def test_a_429_ends_the_turn(codex: Machine) -> None:
    """Without Retry-After, whatever else it says; a fraction of a second in that field is no Retry-After."""
    codex.relay()
    message = "Rate limit reached. Please try again in 1s."
    fields = (("x-ratelimit-reset-requests", "1s"), ("retry-after-ms", "900"), ("retry-after", "0.9"))
    for headers in (fields[:2], fields[2:]):
        codex.upstream.script(Reject(status=429, message=message, headers=headers))
        ran = codex.codex_exec()
        assert (1, False) == (ran.code, message in ran.stderr), ran.transcript
    assert 2 == len(codex.upstream.turns)


@pytest.mark.codex_since("0.171", "older versions end the turn")
def test_a_429_with_retry_after_is_sent_again(codex: Machine) -> None:
    """Five times, each after the seconds that the field names; then the turn ends."""
    codex.relay()
    codex.upstream.default = Reject(status=429, headers=(("retry-after", "1"),))
    ran = codex.codex_exec()
    times = [turn.at for turn in codex.upstream.turns]
    assert (1, 1 + 5) == (ran.code, len(times)), ran.transcript
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


def test_426_turns_a_websocket_into_a_post(codex: Machine) -> None:
    """The built-in provider asks for a WebSocket once, and goes on over HTTP in the same turn."""
    codex.write("config.toml", built_in_config(codex.upstream.base_url))
    codex.write("auth.json", api_key_login())
    ran = codex.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.stderr
    requests = [(one.method, one.header("upgrade")) for one in codex.upstream.received if "/models" not in one.path]
    assert [("GET", "websocket"), ("POST", None)] == requests


@pytest.mark.codex_since("0.150", "0.130 gives up after 24 s")
def test_codex_waits_for_a_provider_that_is_down(codex: Machine) -> None:
    """A refused connection is tried again without end: a proxy that comes back saves the turn."""
    port = free_port()
    codex.write("config.toml", relay_config(f"http://127.0.0.1:{port}/v1"))
    with codex.codex_started() as process:
        assert process.stderr is not None
        assert any("waiting for network" in line for line in process.stderr)
        with Listener(key=KEY, port=port):
            ran = codex.finish(process)
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript


@pytest.mark.parametrize("exempt", ["", "127.0.0.1"])
def test_an_outbound_proxy_gets_requests_to_loopback(codex: Machine, exempt: str) -> None:
    """HTTP_PROXY counts for our address too, unless NO_PROXY names it."""
    codex.relay(table=f"{NO_RETRIES}[features]\nunbounded_connection_retries = false\n")
    codex.environ |= {"HTTP_PROXY": codex.nowhere, "NO_PROXY": exempt}
    ran = codex.codex_exec()
    assert ((1, 0) if exempt == "" else (0, 1)) == (ran.code, len(codex.upstream.turns)), ran.transcript


@pytest.mark.codex_since("0.140", "a profile is a file of its own")
def test_a_flag_beats_a_profile(codex: Machine) -> None:
    """`-c model_provider=…` chooses the provider, and not the profile of `-p`, wherever it stands."""
    codex.relay()
    codex.write("other.config.toml", 'model_provider = "ollama"\n')
    flag, profile = ("-c", f"model_provider={PROVIDER}"), ("-p", "other")
    for words in ((*flag, *profile), (*profile, *flag)):
        assert 0 == codex.codex_exec(*words).code
    assert 2 == len(codex.upstream.turns)


# ---- What is sent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("", None),
        pytest.param('service_tier = "default"', None, marks=pytest.mark.codex_since("0.150", TIERS_OF_0_130)),
        ('service_tier = "fast"', "priority"),
        pytest.param('service_tier = "priority"', "priority", marks=pytest.mark.codex_since("0.150", TIERS_OF_0_130)),
    ],
)
def test_the_tier_on_the_wire(codex: Machine, line: str, sent: str | None) -> None:
    """The user's tier is sent to any provider; no choice and "default" both send none."""
    codex.relay(top=line)
    assert codex.codex_exec().code == 0
    (turn,) = codex.upstream.turns
    assert sent == turn.json().get("service_tier")


def test_flex_on_the_wire(codex: Machine, codex_version: Version) -> None:
    """Not every Codex sends it, so that a request without a tier may be of a user who wants no Fast."""
    codex.relay(top='service_tier = "flex"')
    assert codex.codex_exec().code == 0
    (turn,) = codex.upstream.turns
    assert at(codex_version, FLEX) == turn.json().get("service_tier")


def test_the_key_of_env_key_is_sent(codex: Machine) -> None:
    """The provider's own key goes out as a bearer key, and $CODEX_HOME/.env wins over the environment."""
    codex.relay()
    codex.environ["RELAY_KEY"] = "sk-of-the-shell"
    codex.write(".env", f"RELAY_KEY={KEY}\n")
    assert codex.codex_exec().code == 0
    assert [f"Bearer {KEY}"] == [turn.header("authorization") for turn in codex.upstream.turns]


def test_a_mode_without_its_member_signs_nobody_in(codex: Machine) -> None:
    """auth.json of the mode `chatgpt` without tokens: its key is not sent either."""
    codex.upstream.key = None
    text = relay_config(codex.upstream.base_url, table="requires_openai_auth = true\n" + NO_RETRIES)
    codex.write("config.toml", text.replace(f'env_key = "{KEY_ENV}"\n', ""))
    codex.write("auth.json", json.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": KEY}))
    codex.codex_exec()
    assert {None} == {request.header("authorization") for request in codex.upstream.received}


def test_a_chatgpt_login_compresses_for_the_built_in_provider(codex: Machine, codex_version: Version) -> None:
    """Bodies come in zstd, with the tier also in a header: the proxy has to know both. 0.130 has no such header."""
    codex.upstream.key = None
    codex.upstream.login = True
    fast = built_in_config(codex.upstream.base_url, model="embedded-model", top='service_tier = "fast"\n')
    codex.write("config.toml", fast)
    codex.write("auth.json", chatgpt_login())
    ran = codex.codex_exec()
    assert ran.code == 0, ran.stderr
    (turn,) = codex.upstream.turns
    assert ("zstd", "priority") == (turn.header("content-encoding"), turn.json()["service_tier"])
    hint = at(codex_version, {"0.130": None, "0.150": "model=embedded-model;tier=priority"})
    assert hint == turn.header("x-codex-routing-hint")


# ---- Its own writes --------------------------------------------------------------------------------------------


def test_codex_keeps_our_words_when_it_writes(codex: Machine) -> None:
    """Its own edits of config.toml keep comments and the provider's table."""
    codex.relay()
    before = codex.config.read_text()
    assert codex.codex is not None
    ran = codex.run([str(codex.codex), "features", "enable", "goals"], timeout=30)
    after = codex.config.read_text()
    assert ran.code == 0, ran.stderr
    assert before != after
    assert set(before.splitlines()) <= set(after.splitlines())
    assert PROVIDER in after
