"""A user's stories, told whole with the real Codex: the very same on Linux and, with codex.exe, on Windows.

The other files of this folder look at each part more closely; these few go through all of them on each system.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cfp.codex.app_server.answers import HookEntry
from cfp.demo.scripted_turns import ScriptedTurn, Stall
from cfp.host.codex_cli import find_codex
from tests.end_to_end.harness import (
    BACKUPS,
    KEY,
    Machine,
    Ran,
    api_key_login,
    chatgpt_login,
    login_config,
    relay_config,
    system,
)
from tests.end_to_end.listeners import Listener
from tests.numbers import Numbers
from tests.real_codex import FLEX, Version, at
from tests.sentinels import kill_for_good

REPOSITORY = Path(__file__).parents[2]
OTHERS = '{"hooks":{"Stop":[{"hooks":[{"type":"command","command":"exit 0"}]}]}}'
STRIDE = 12  # changes of files between two kills of an install


@pytest.fixture(autouse=True)
def _counted(numbers: Numbers) -> Iterator[None]:
    """The table of numbers says how many stories were told."""
    yield
    numbers.count("stories", "told with the real Codex")


@pytest.fixture
def user(codex: Machine) -> Machine:
    """A user of a relay, signed in with an API key."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    return codex


def _hooks(machine: Machine) -> tuple[HookEntry, ...]:
    environ = machine.environment()
    cli = find_codex(environ, Path(environ.get("CODEX_HOME") or machine.home), program=machine.codex)
    assert cli is not None
    return cli.answers(machine.work).hooks


def _tier(machine: Machine) -> str | None:
    """The tier of one turn, as it reached the provider."""
    tier: str | None = machine.turn().json().get("service_tier")
    return tier


def _killed(machine: Machine) -> int:
    """End the worker without a word, as a crash or a reboot does; return its pid."""
    (worker,) = machine.workers()
    kill_for_good([worker])
    assert [] == machine.workers()
    return worker.pid


def _files(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """All but the backups, which stay on purpose."""
    return {name: entry for name, entry in machine.files().items() if not name.startswith(BACKUPS)}


def _off(machine: Machine, *flags: str) -> Ran:
    """Uninstall; nothing of ours is left but the backups."""
    gone = machine.cfp("uninstall", *flags)
    assert (0, "uninstalled") == (gone.code, gone.json["status"]), gone.transcript
    assert [] == machine.workers()
    assert [] == [path.name for path in machine.home.iterdir() if path.name.startswith("codex-fast-proxy")]
    return gone


def test_on_for_a_turn_and_off(user: Machine) -> None:
    """Codex itself says that it trusts the hook; a turn has priority; every byte comes back; the next has none."""
    before = _files(user)
    installed = user.install().json
    assert ("installed", "trusted") == (installed["status"], installed["trust_read_back"])
    assert [("sessionStart", True, "trusted")] == [(it.event, it.enabled, it.trust_status) for it in _hooks(user)]
    turn = user.turn()
    assert ("priority", f"Bearer {KEY}") == (turn.json()["service_tier"], turn.header("authorization"))
    assert "ready" == user.cfp("status").json["diagnosis"]["code"]
    assert "restored" == _off(user).json["config_restore"]
    assert before == _files(user)
    assert () == _hooks(user)
    assert None is _tier(user)


def test_after_a_reboot(user: Machine) -> None:
    """The worker is gone: status says so, and the hook of the next session revives it before the first request."""
    user.install()
    dead = _killed(user)
    status = user.cfp("status").json
    assert ("enabled_down", False) == (status["state"], status["running"])
    assert "priority" == _tier(user)
    (worker,) = user.workers()
    assert dead != worker.pid
    assert "ready" == user.cfp("status").json["diagnosis"]["code"]


def test_killed_in_the_middle_of_a_turn(user: Machine) -> None:
    """Codex waits for its network; the hook of another session revives the worker; both turns end well."""
    user.install()
    user.upstream.script(Stall(after_first_event=True))
    before = len(user.upstream.turns)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(user.codex_exec, timeout=90)
        user.upstream.wait_for_turns(before + 1, timeout=60)
        _killed(user)
        other = user.codex_exec()
        assert (0, ScriptedTurn().text) == (other.code, other.stdout.strip()), other.transcript
        ran = first.result()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    assert {"priority"} == {turn.json()["service_tier"] for turn in user.upstream.turns[before:]}
    assert 1 == len(user.workers())


# Codex 0.130 refuses a config with this tier.
DEFAULT_TIER = pytest.param(
    'service_tier = "default"', None, marks=pytest.mark.codex_since("0.150", "0.130 knows fast and flex")
)


@pytest.mark.parametrize(("line", "sent"), [('service_tier = "flex"', "flex"), DEFAULT_TIER])
def test_the_users_own_tier(user: Machine, codex_version: Version, line: str, sent: str | None) -> None:
    """A tier that the user chose, or opted out of, is the tier that the provider gets."""
    user.relay(top=line)
    user.install()
    assert (at(codex_version, FLEX) if sent == "flex" else sent) == _tier(user)


def test_a_chatgpt_login_beside_a_key(user: Machine) -> None:
    """The auth split: signed in with ChatGPT, and the provider gets its own key alone."""
    user.write("config.toml", login_config(user.upstream.base_url))
    user.install()
    prepared = user.cfp("prepare-chatgpt-login", "--apply")
    assert (0, "prepared") == (prepared.code, prepared.json["status"]), prepared.transcript
    split = user.cfp("set-upstream", "--use-provider-auth-file", "--restart")
    assert (0, "upstream_updated") == (split.code, split.json["status"]), split.transcript
    login = chatgpt_login()
    user.write("auth.json", login)
    turn = user.turn()
    assert turn.header("authorization") == f"Bearer {KEY}"
    assert (None, None) == (turn.header("chatgpt-account-id"), turn.header("cookie"))
    tokens = json.loads(login)["tokens"]
    sent = "\n".join(f"{name}: {value}" for name, value in turn.headers) + turn.body.decode()
    assert [] == [name for name, secret in tokens.items() if secret in sent]


def test_another_provider_at_once(user: Machine) -> None:
    """`set-upstream --restart`: the next turn goes to the new URL, which uninstall gives to Codex."""
    before = user.config.read_bytes()
    user.install()
    with Listener(key=KEY) as other:
        ran = user.cfp("set-upstream", "--upstream-base", other.base_url, "--restart")
        assert (0, user.upstream.base_url) == (ran.code, ran.json["previous_upstream_base"]), ran.transcript
        count = len(other.turns)
        assert 0 == user.codex_exec().code
        assert ["priority"] == [turn.json()["service_tier"] for turn in other.turns[count:]]
        _off(user)
        assert before.replace(user.upstream.base_url.encode(), other.base_url.encode()) == user.config.read_bytes()


def test_other_settings_for_the_next_session(user: Machine) -> None:
    """`set-upstream` without --restart: the running worker stays, and the hook of the next session hands over."""
    user.install()
    (old,) = user.workers()
    ran = user.cfp("set-upstream", "--service-tier-policy", "preserve", "--no-verify")
    assert (0, True) == (ran.code, ran.json["restart_required"]), ran.transcript
    assert [old.pid] == [worker.pid for worker in user.workers()]
    assert None is _tier(user)
    assert old.pid != user.wait_for_one_worker().pid
    assert user.cfp("status").json["needs_restart"] is False


def test_off_in_two_steps(user: Machine) -> None:
    """--defer-stop gives the files back and lets the worker serve who still has its address; the second ends it."""
    before = _files(user)
    user.install()
    (worker,) = user.workers()
    first = user.cfp("uninstall", "--defer-stop")
    assert (0, "uninstalled", "deferred") == (first.code, first.json["status"], first.json["stop_result"]["status"])
    now = _files(user)
    assert before == {name: now[name] for name in before}
    assert [worker.pid] == [process.pid for process in user.workers()]
    assert None is _tier(user)
    assert "stopped" == _off(user).json["stop_result"]["status"]
    assert before == _files(user)


def _dying_install(machine: Machine, at: int) -> int:
    """Run an `install` that is killed before its change number `at` of a file; return its exit code."""
    machine.environ["PYTHONPATH"] = str(REPOSITORY)
    words = [sys.executable, "-m", "tests.end_to_end.dying", str(machine.home), "fs", str(at)]
    try:
        install = ("install", "--start", "--no-verify", "--port", str(machine.port))
        ran = machine.run([*words, "--", *install], timeout=60)
    finally:
        del machine.environ["PYTHONPATH"]
    assert ran.code in {0, system.KILLED}, ran.transcript
    return ran.code


def test_an_install_that_is_killed(user: Machine, numbers: Numbers) -> None:
    """Wherever it dies, `recover` gives the user's bytes back or finishes it; the one that lives succeeds."""
    before = _files(user)
    for step in itertools.count(2, STRIDE):
        code = _dying_install(user, step)
        if code == 0:
            break
        recovered = user.cfp("recover")
        assert 0 == recovered.code, recovered.transcript
        if recovered.json["state"] == "enabled":
            _off(user)
        now = _files(user)
        assert before == {name: now[name] for name in before}, step
        assert "hooks.json" not in now, step
        assert [] == user.workers(), step
        numbers.count("stories", "installs killed")
    assert step > 2, "nothing was killed"
    assert "priority" == _tier(user)
    _off(user)
    assert before == _files(user)


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


FORMS = {
    "LF": str.encode,
    "CRLF": _crlf,
    "BOM and CRLF": lambda text: b"\xef\xbb\xbf" + _crlf(text),
    "mixed": lambda text: text.replace("\n", "\r\n", 3).encode(),
    "no last newline": lambda text: text.rstrip("\n").encode(),
}


def test_every_byte_comes_back(user: Machine) -> None:
    """Whatever ends the lines of config.toml, hooks.json and auth.json: off again, all three are what they were."""
    for name, form in FORMS.items():
        user.config.write_bytes(form(relay_config(user.upstream.base_url, top='# naïve "quotes"')))
        user.hooks.write_bytes(form(json.dumps(json.loads(OTHERS), indent=2) + "\n").removeprefix(b"\xef\xbb\xbf"))
        (user.home / "auth.json").write_bytes(_crlf(json.dumps(json.loads(api_key_login()), indent=1)))
        before = _files(user)
        user.install("--no-verify")
        assert {"sessionStart", "stop"} == {hook.event for hook in _hooks(user)}, name
        assert "restored" == _off(user).json["config_restore"], name
        assert before == _files(user), name


def test_on_twice(user: Machine) -> None:
    """A second install keeps the worker, the hook's trust and the true baseline."""
    before = _files(user)
    user.install()
    (worker,) = user.workers()
    again = user.install().json
    assert ("trusted", None) == (again["trust_read_back"], again.get("trust_read_back_error"))
    assert [worker.pid] == [process.pid for process in user.workers()]
    assert ["trusted"] == [hook.trust_status for hook in _hooks(user)]
    _off(user)
    assert before == _files(user)


def test_a_strangers_port(user: Machine) -> None:
    """Somebody listens there: refused with nothing changed, he is left alone, and another port works."""
    listening = f"import socket, time; s = socket.create_server(('127.0.0.1', {user.port}))"
    program = f"{listening}; print('here', flush=True); time.sleep(120)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        before = user.files()
        ran = user.cfp("install", "--start", "--port", str(user.port))
        assert (2, "port_in_use", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
        assert before == user.files()
        port = re.search(r"--port (\d+)", ran.json["next_user_action"])
        assert port, ran.transcript
        free = user.cfp("install", "--start", "--port", port[1])
        assert stranger.poll() is None
        stranger.kill()
    assert 0 == free.code, free.transcript
    assert "priority" == _tier(user)


def test_two_homes(user: Machine) -> None:
    """Each has its own proxy: turns of both go their own way, and switching one off leaves the other on."""
    with Listener(key=KEY) as upstream:
        root = user.root.with_name("another machine")
        second = Machine(root=root, upstream=upstream, codex=user.codex, nowhere=user.nowhere)
        second.environ["PATH"] = user.environ["PATH"]
        second.relay()
        second.write("auth.json", api_key_login())
        before = _files(second)
        try:
            user.install()
            second.install()
            assert ("priority", "priority") == (_tier(user), _tier(second))
            _off(second)
            assert before == _files(second)
            assert ("priority", None) == (_tier(user), _tier(second))
        finally:
            assert [] == second.end_everything()
