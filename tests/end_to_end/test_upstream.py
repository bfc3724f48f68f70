"""Saved upstreams: several providers, each with its key, one at a time in use."""

from __future__ import annotations

import json
import shlex
import tomllib
from concurrent.futures import ThreadPoolExecutor

from cfp.demo.scripted_turns import ScriptedTurn
from tests.end_to_end.harness import KEY, Machine
from tests.end_to_end.listeners import Listener
from tests.end_to_end.test_handover import LONG, PAUSE

OTHER_KEY = "sk-of-the-other-provider"
OTHER_ENV = "OTHER_KEY"


def test_each_listener_sees_its_own_key(codex: Machine) -> None:
    """Turns of the real Codex go to one provider after the other, each with its key; an uninstall gives all back."""
    codex.relay()
    codex.settle()
    before = codex.config.read_bytes()
    codex.install()
    with Listener(key=OTHER_KEY) as other, Listener(key="sk-a-third-key") as third:
        codex.environ[OTHER_ENV] = OTHER_KEY
        assert codex.cfp("upstream", "add", "main").json["active"] == "main"
        flags = ("--upstream-base", other.base_url, "--upstream-api-key-env", OTHER_ENV)
        assert codex.cfp("upstream", "add", "other", *flags, "--service-tier-policy", "preserve").code == 0
        entered = codex.cfp(
            "upstream", "add", "third", "--upstream-base", third.base_url, "--from-stdin", entered="sk-a-third-key\n"
        )
        assert (0, "main") == (entered.code, entered.json["active"]), entered.transcript
        provider = tomllib.loads(codex.config.read_text())["model_provider"]
        for name, listener in (("other", other), ("third", third), ("main", codex.upstream), ("third", third)):
            used = codex.cfp("upstream", "use", name)
            assert (0, "in_use", 0) == (used.code, used.json["status"], used.json["start_result"]["cut_streams"])
            turn_count = len(listener.turns)
            ran = codex.codex_exec()
            assert (0, turn_count + 1) == (ran.code, len(listener.turns)), ran.transcript
            assert provider == tomllib.loads(codex.config.read_text())["model_provider"]
        listed = codex.cfp("upstream", "list")
        assert ["third"] == [one["name"] for one in listed.json["upstreams"] if one["active"]]
        assert all(one["upstream_api_key_available"] for one in listed.json["upstreams"])
        assert "upstream_active" == codex.cfp("upstream", "remove", "third").json["code"]
        for path in codex.state.glob("*.json"):
            assert path.name == "provider-auth.json" or "sk-a-third-key" not in path.read_text()
        assert 0 == codex.cfp("uninstall").code
    assert before == codex.config.read_bytes()
    assert not codex.state.exists()


def test_a_turn_survives_a_switch(codex: Machine) -> None:
    """A turn that runs comes whole from the old upstream, while the next one is the new upstream's."""
    codex.relay()
    codex.install()
    codex.upstream.script(ScriptedTurn(text=LONG, between=PAUSE))
    turn_count = len(codex.upstream.turns)
    with Listener(key=OTHER_KEY) as other, ThreadPoolExecutor() as pool:
        flags = ("--upstream-base", other.base_url, "--from-stdin")
        assert 0 == codex.cfp("upstream", "add", "other", *flags, entered=OTHER_KEY).code
        slow = pool.submit(codex.codex_exec)
        codex.upstream.wait_for_turns(turn_count + 1, timeout=30)
        assert "in_use" == codex.cfp("upstream", "use", "other").json["status"]
        turned = len(other.turns)
        assert 0 == codex.codex_exec().code
        assert turned + 1 == len(other.turns)
        ran = slow.result()
        assert (0, LONG) == (ran.code, ran.stdout.strip()), ran.transcript


def test_an_upstream_that_fails_is_not_used(machine: Machine) -> None:
    """`use` tries the route first: with a key that the provider refuses, everything stays as it was."""
    machine.relay()
    machine.install()
    with Listener(key=OTHER_KEY, keys=["sk-no-longer-valid"]) as other:
        flags = ("--upstream-base", other.base_url, "--from-stdin")
        assert 0 == machine.cfp("upstream", "add", "other", *flags, entered="sk-no-longer-valid").code
        before, workers = machine.files(), [worker.pid for worker in machine.workers()]
        refused = machine.cfp("upstream", "use", "other")
        assert (2, "upstream_key_refused", False) == (refused.code, refused.json["code"], refused.json["changed"])
        assert (before, workers) == (machine.files(), [worker.pid for worker in machine.workers()])
        _, *words = shlex.split(refused.json["next_user_action"].split("`")[1])
        renewed = machine.cfp(*words, entered=OTHER_KEY)
        assert 0 == renewed.code, renewed.transcript
        assert 0 == machine.cfp("upstream", "use", "other").code
        assert KEY not in json.dumps([dict(request.headers) for request in other.received])


def test_a_new_key_is_saved_for_the_active_upstream(machine: Machine) -> None:
    """prepare-chatgpt-login changes the key of the upstream in use, and copies no key of another URL into it."""
    machine.relay()
    machine.install()
    with Listener(key=OTHER_KEY) as other:
        flags = ("--upstream-base", other.base_url, "--from-stdin")
        assert 0 == machine.cfp("upstream", "add", "other", *flags, entered="sk-no-longer-valid").code
        assert 0 == machine.cfp("upstream", "use", "other", "--no-verify").code
        copied = machine.cfp("prepare-chatgpt-login", "--apply")
        assert (2, "source_key_unchosen") == (copied.code, copied.json["code"])
        assert 0 == machine.cfp("prepare-chatgpt-login", "--from-stdin", "--apply", entered=OTHER_KEY).code
        assert "verified" == machine.cfp("verify-upstream").json["status"]


def test_what_upstream_refuses(machine: Machine) -> None:
    """Each refusal names its way out, and nothing is changed."""
    machine.relay()
    machine.install()
    other = "https://other.example/v1"
    assert 0 == machine.cfp("upstream", "add", "main").code
    assert (
        0 == machine.cfp("upstream", "add", "other", "--upstream-base", other, "--upstream-api-key-env", "PATH").code
    )
    before = machine.files()
    for words, code in (
        (("add", "main"), "upstream_exists"),
        (("add", "main", "--replace", "--clear-upstream-auth"), "upstream_active"),
        (("add", "next", "--upstream-base", other), "upstream_key_unchosen"),
        (("add", "next", "--upstream-base", other, "--use-provider-auth-file"), "provider_key_missing"),
        (("add", "next", "--upstream-base", other, "--upstream-api-key-env", "NOT_SET"), "upstream_key_missing"),
        (("add", "next", "--from-stdin", "--clear-upstream-auth"), "two_auth_sources"),
        (("add", "sk-proj-0123456789abcdef"), "usage"),
        (("add",), "usage"),
        (("use", "nobody"), "no_such_upstream"),
        (("use", "main", "--upstream-base", other), "usage"),
        (("remove", "main"), "upstream_active"),
        (("remove", "nobody"), "no_such_upstream"),
        (("list", "main"), "usage"),
    ):
        refused = machine.cfp("upstream", *words)
        assert (2, code) == (refused.code, refused.json["code"]), refused.transcript
        assert refused.json["next_user_action"], words
        assert "0123456789abcdef" not in refused.transcript
    assert before == machine.files()
    assert 0 == machine.cfp("upstream", "use", "other", "--no-verify").code
    moved = machine.cfp("set-upstream", "--upstream-base", "https://next.example/v1", "--no-verify")
    assert "key_of_saved_upstream" == moved.json["code"], moved.transcript
    kept = machine.cfp("set-upstream", "--use-provider-auth-file", "--no-verify")
    assert "upstream_key_not_kept" == kept.json["code"], kept.transcript
