"""One diagnosis, wherever it is read: status, doctor, logs, the dashboard and the hook, after what requests met."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cfp.demo.scripted_turns import Cut, Reject, Reply, ScriptedTurn
from tests.end_to_end.harness import KEY, MODEL, Machine, api_key_login, login_config

BODY = {"model": MODEL, "input": [], "stream": True}


def _installed(machine: Machine) -> None:
    machine.relay()
    machine.write("auth.json", api_key_login())
    machine.install()


def _ask(machine: Machine) -> None:
    """Send the turn of a client through the proxy, and read the answer to its end."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(trust_env=False, timeout=20) as client:
        try:
            client.post(f"http://127.0.0.1:{machine.port}/v1/responses", json=BODY, headers=headers)
        except httpx.RemoteProtocolError:
            return  # the provider broke off


def _readings(machine: Machine) -> dict[str, Any]:
    """Return (code, level, sentence) as each place tells it; the hook's is what it tells the user, "" for nothing."""
    with httpx.Client(trust_env=False, timeout=20) as client:
        shown = client.get(f"http://127.0.0.1:{machine.port}/__codex_fast_proxy/api/state").json()["verdict"]
    verbs = {
        verb: tuple(machine.cfp(verb).json["diagnosis"][name] for name in ("code", "level", "message"))
        for verb in ("status", "doctor")
    }
    hook = machine.run(machine.hook_words(), timeout=20)
    assert (0, "") == (hook.code, hook.stderr)
    return {
        **verbs,
        "dashboard": (shown["code"], shown["level"], shown["sentence"]),
        "logs": machine.cfp("logs", "--format", "text").stderr,
        "hook": json.loads(hook.stdout)["systemMessage"] if hook.stdout else "",
    }


def _agree(machine: Machine) -> tuple[str, str, str]:
    """Return the one diagnosis; fails where two places differ."""
    seen = _readings(machine)
    code, level, sentence = seen["status"]
    assert seen["status"] == seen["doctor"] == seen["dashboard"]
    assert sentence in seen["logs"]
    assert (level == "risk") == (seen["hook"] != "")
    assert sentence in seen["hook"] or not seen["hook"]
    return code, level, sentence


def _wait_for_history(machine: Machine) -> None:
    """Wait until a new worker has read the log of the one before it, which it does once it serves."""
    url = f"http://127.0.0.1:{machine.port}/__codex_fast_proxy/api/events"
    with httpx.stream("GET", url, trust_env=False, timeout=20) as events:
        next(line for line in events.iter_lines() if '"purpose":"generation"' in line)


@pytest.mark.parametrize(
    ("reply", "code", "level"),
    [
        (Reject(status=401, message="Incorrect API key provided."), "provider_key_refused", "risk"),
        (Reject(status=402), "provider_limits", "attention"),
        (Cut(events=1), "provider_broke_off", "attention"),
    ],
    ids=["401", "402", "cut"],
)
def test_a_failure_is_told_everywhere_until_a_turn_goes_through(
    machine: Machine, reply: Reply, code: str, level: str
) -> None:
    """Nobody says ready after 42 failures, and nobody says anything else after one turn that went through."""
    _installed(machine)
    assert ("ready", "ok") == _agree(machine)[:2]
    assert None is machine.cfp("status").json["diagnosis"]["last_success"]
    machine.upstream.default = reply
    for _ in range(3):
        _ask(machine)
    assert (code, level) == _agree(machine)[:2]
    report = machine.cfp("status").json
    assert (code, 3) == tuple(report["health"]["last_requests"]["trouble"][name] for name in ("code", "in_row"))
    doctor = machine.cfp("doctor")
    (check,) = (check for check in doctor.json["checks"] if check["name"] == "last_requests")
    assert ((code, level == "risk"), 2 if level == "risk" else 0) == (
        (check["code"], not check["ok"]),
        doctor.code,
    )
    machine.upstream.default = ScriptedTurn()
    _ask(machine)
    assert ("ready", "ok") == _agree(machine)[:2]
    assert None is not machine.cfp("status").json["diagnosis"]["last_success"]
    assert "last success" in machine.cfp("status", "--format", "text").stdout


def test_a_failure_is_remembered_by_the_next_worker(machine: Machine) -> None:
    """A new worker reads it from the log: a restart makes nothing ready."""
    _installed(machine)
    machine.upstream.default = Reject(status=401)
    _ask(machine)
    assert "stopped" == machine.cfp("stop", "--force").json["status"]
    assert "started" == machine.cfp("start").json["status"]
    _wait_for_history(machine)
    assert "provider_key_refused" == _agree(machine)[0]


def test_a_new_key_may_be_right(machine: Machine) -> None:
    """The refused key was in auth.json, and the user has signed in with another one."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", api_key_login())
    machine.install()
    machine.upstream.default = Reject(status=403)
    _ask(machine)
    assert "provider_key_refused" == _agree(machine)[0]
    machine.write("auth.json", api_key_login())
    assert "ready" == _agree(machine)[0]


def test_a_refused_tier_is_told_everywhere(machine: Machine) -> None:
    """Turns work without it, and the user learns that they are not fast."""
    _installed(machine)
    refusal = Reject(status=400, message="Unsupported parameter: service_tier")
    machine.upstream.script(refusal, ScriptedTurn())
    _ask(machine)
    code, level, sentence = _agree(machine)
    assert ("tier_refused", "attention") == (code, level)
    assert MODEL in sentence
