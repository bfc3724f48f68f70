"""The real Codex, our proxy, a real LiteLLM and a provider in a row, and Codex at LiteLLM without our proxy."""

from __future__ import annotations

import json

import httpx
import pytest

from cfp.demo.provider import Received
from cfp.demo.scripted_turns import Reject, ScriptedTurn, ToolCall
from cfp.proxy.exchange.rate_limit import DEFAULT_SECONDS
from tests.end_to_end.harness import (
    KEY_ENV,
    MODEL,
    Machine,
    built_in_config,
    chatgpt_login,
    login_config,
    relay_config,
)
from tests.end_to_end.listeners import Listener
from tests.end_to_end.test_fast_rules import SPAWN, Team
from tests.gateway.litellm_proxy import MASTER_KEY, PROVIDER_KEY, Gateway, join

SPLIT = ("--upstream-api-key-env", KEY_ENV)
LIMITED = Reject(status=429, message="Rate limit reached.", headers=(("retry-after", "2"),))
ATTEMPTS = 3  # of LiteLLM, at a 429


def _tier(turn: Received) -> object:
    return turn.json().get("service_tier")


def _calls(turn: Received) -> list[dict[str, str]]:
    return [item for item in turn.json()["input"] if item["type"] in {"function_call", "function_call_output"}]


def test_fast_reaches_the_provider(team: Machine) -> None:
    """`install` tries the provider through LiteLLM; the tier arrives, its echo comes back, `status` knows both."""
    assert _tier(team.turn()) is None
    team.install()
    turn = team.turn()
    assert ("priority", f"Bearer {PROVIDER_KEY}") == (_tier(turn), turn.header("authorization"))
    (verdict,) = team.cfp("status").json["tier_verdicts"]
    assert ("echo_uninformative", {"priority": 2}) == (verdict["verdict"], verdict["echoes"])


def test_a_tier_that_gets_lost_is_named(team: Machine, gateway: Gateway) -> None:
    """LiteLLM leaves the tier out, the provider's echo says so, and after three answers the verdict is `ignored`."""
    team.write("config.toml", relay_config(gateway.base_url, model="leave-out"))
    team.install()
    assert {None} == {_tier(team.turn()) for _ in range(2)}
    (verdict,) = team.cfp("status").json["tier_verdicts"]
    assert ("ignored", {"default": 3}) == (verdict["verdict"], verdict["echoes"])


def test_a_wrong_key_is_named(team: Machine) -> None:
    """LiteLLM without a database answers 400 and not 401; `install` says that the key was refused, and which."""
    team.environ[KEY_ENV] = "sk-of-nobody"
    ran = team.cfp("install", "--start", "--port", str(team.port))
    assert (2, "upstream_key_refused") == (ran.code, ran.json["code"])
    assert KEY_ENV in ran.json["error"]
    team.install("--no-verify")
    assert 1 == team.codex_exec().code
    assert "provider_key_refused" == team.cfp("status").json["diagnosis"]["code"]
    assert () == team.upstream.turns


def test_a_tool_is_called(team: Machine) -> None:
    """The call comes to Codex, and its output to the provider, under one id."""
    team.install()
    before = len(team.upstream.turns)
    team.upstream.script(ToolCall(namespace="", name="exec_command", arguments='{"cmd":"echo from-the-tool"}'))
    ran = team.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    first, second = team.upstream.turns[before:]
    call, output = _calls(second)
    assert ([], call["call_id"], "exec_command") == (_calls(first), output["call_id"], call["name"])
    assert {"priority"} == {_tier(first), _tier(second)}


def test_rules_by_kind_work_behind_it(codex: Machine, gateway: Gateway) -> None:
    """A subagent goes without Fast: the proxy sees Codex's marker, which LiteLLM does not pass on."""
    with Team(key=PROVIDER_KEY, port=gateway.provider_port) as provider:
        join(codex, gateway, provider)
        codex.install("--no-verify")
        assert 0 == codex.cfp("fast", "add", "--kind", "subagent", "--action", "remove", "--restart").code
        provider.script(SPAWN)
        ran = codex.codex_exec()
        assert 0 == ran.code, ran.transcript
        tiers = [_tier(turn) for turn in provider.turns]
        assert (1, {None, "priority"}) == (tiers.count(None), set(tiers))
        assert {None} == {turn.header("x-openai-subagent") for turn in provider.turns}


@pytest.mark.parametrize("way", ["--use-provider-auth-file", "--codex-key-env"])
def test_the_login_stays_here(team: Machine, gateway: Gateway, way: str) -> None:
    """With a ChatGPT login, and LiteLLM's key saved or sent by Codex: no identity in its log or at the provider."""
    login = chatgpt_login()
    team.write("config.toml", login_config(gateway.base_url))
    team.write("auth.json", login)
    if way == "--codex-key-env":
        team.install(way, KEY_ENV)
    else:
        saved = team.cfp("prepare-chatgpt-login", "--from-stdin", "--apply", entered=f"{MASTER_KEY}\n")
        assert 0 == saved.code, saved.transcript
        team.install(way)
    claims = json.loads(login)["tokens"]["access_token"].split(".")[1]
    identities = (claims, "account-1", "user-1", "u@example.invalid")
    before = len(gateway.lines)
    turn = team.turn()
    log = "".join(gateway.lines[before:])
    assert turn.json()["prompt_cache_key"] in log  # it is the log of this turn
    assert [] == [identity for identity in identities if identity in log]
    assert f"Bearer {PROVIDER_KEY}" == turn.header("authorization")


def test_its_log_would_show_one(provider: Listener, gateway: Gateway) -> None:
    """The log that the test above reads names the account of a request that has one."""
    before = len(gateway.lines)
    headers = {"authorization": f"Bearer {MASTER_KEY}", "chatgpt-account-id": "account-1"}
    body = {"model": MODEL, "input": "x", "stream": True}
    answer = httpx.post(f"{gateway.base_url}/responses", json=body, headers=headers)
    assert (200, 1) == (answer.status_code, len(provider.turns))
    assert "account-1" in "".join(gateway.lines[before:])


def test_without_our_proxy(team: Machine, gateway: Gateway) -> None:
    """`env_key` is enough, signed in or not, and `service_tier` in config.toml brings Fast for all turns."""
    for login in ("", chatgpt_login()):
        if login:
            team.write("auth.json", login)
        for top, tier in (("", None), ('service_tier = "fast"', "priority")):
            team.write("config.toml", relay_config(gateway.base_url, top=top))
            assert tier == _tier(team.turn())


def test_without_our_proxy_the_login_is_refused(team: Machine, gateway: Gateway) -> None:
    """`requires_openai_auth` sends the ChatGPT login to LiteLLM, which refuses it; nothing reaches the provider."""
    team.write("config.toml", login_config(gateway.base_url))
    team.write("auth.json", chatgpt_login())
    ran = team.codex_exec()
    assert (1, ()) == (ran.code, team.upstream.turns)
    assert "no_db_connection" in ran.stderr


def test_a_rate_limit_passes(team: Machine) -> None:
    """LiteLLM renames the provider's Retry-After, and Codex ends the turn; our proxy names it as before."""
    team.upstream.script(*[LIMITED] * ATTEMPTS)
    direct = team.codex_exec()
    assert (1, ATTEMPTS) == (direct.code, len(team.upstream.turns))
    team.install()
    before = len(team.upstream.turns)
    team.upstream.script(*[LIMITED] * ATTEMPTS)
    ran = team.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    turns = team.upstream.turns[before:]
    assert ATTEMPTS + 1 == len(turns)
    assert 2 <= turns[-1].at - turns[-2].at < DEFAULT_SECONDS


@pytest.mark.parametrize(("model", "falls_back"), [(MODEL, True), ("vllm", False)])
def test_websocket(team: Machine, gateway: Gateway, model: str, *, falls_back: bool) -> None:
    """`openai/NAME` closes each socket for a provider at http://; `hosted_vllm/NAME` makes a POST of each turn."""
    team.write("config.toml", relay_config(gateway.base_url, model=model, table="supports_websockets = true\n"))
    team.install()
    before = len(team.upstream.received)
    ran = team.codex_exec()
    assert (0, ScriptedTurn().text) == (ran.code, ran.stdout.strip()), ran.transcript
    assert falls_back == ("Falling back from WebSockets" in ran.stderr), ran.transcript
    (turn,) = team.upstream.received[before:]
    assert ("POST", "priority") == (turn.method, _tier(turn))


def test_the_built_in_provider_is_no_way_in(team: Machine, gateway: Gateway) -> None:
    """With a ChatGPT login Codex compresses what it sends its built-in provider, and LiteLLM does not unpack it."""
    team.write("config.toml", built_in_config(gateway.base_url))
    team.write("auth.json", chatgpt_login())
    team.install("--no-verify", *SPLIT)
    ran = team.codex_exec()
    assert (1, ()) == (ran.code, team.upstream.turns)
    assert "Missing required parameter: 'input'" in ran.stderr
