"""The command `benchmark` against a provider on loopback, from the command line to the saved file."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from cfp.demo.scripted_turns import Cut, NotSse, Reject, ScriptedTurn, Stall
from tests.access import others_may_read
from tests.bench.conftest import CANARY, Bench
from tests.end_to_end.harness import relay_config
from tests.interrupting import command, interrupt

SLOW = ScriptedTurn(text="one two three", first_after=0.12)
QUICK = ScriptedTurn(text="one two three", first_after=0.01)


def test_a_faster_tier_is_called_faster(bench: Bench) -> None:
    """The verdict is faster if priority turns take less time, and each link of the chain is named."""
    bench.upstream.default, bench.upstream.priority = SLOW, QUICK
    code, result = bench.direct()
    assert (0, "completed", "faster") == (code, result["status"], result["verdict"]), result
    assert result["observed_priority_effective"] is True
    assert result["observed_speedup_total"] > 2
    assert result["observed_speedup_first_output"] > 2
    assert 1 < result["confidence_interval"]["low"]
    assert {
        "asked": [],
        "sent": ["priority"],
        "accepted": True,
        "echoed": ["priority"],
        "measured": "faster",
    } == result["chain"]
    assert (True, True) == (result["priority_accepted"], result["provider_confirmed_priority"])
    assert result["service_tier_control"]["valid"] is True
    assert (3, 3, []) == (result["default"]["ok"], result["priority"]["ok"], result["warnings"])
    assert [None, "priority", "priority", None, None, "priority"] == bench.upstream.tiers


def test_a_slower_tier_is_called_slower(bench: Bench) -> None:
    """The verdict is slower if priority turns take more time."""
    bench.upstream.default, bench.upstream.priority = QUICK, SLOW
    _, result = bench.direct()
    assert ("slower", False) == (result["verdict"], result["observed_priority_effective"])


def test_another_tier_than_priority_is_measured(bench: Bench) -> None:
    """--service-tier names the tier of one side; the page for people names it too."""
    bench.upstream.default, bench.upstream.priority = SLOW, QUICK
    _, result = bench.direct("--pairs", "2", "--service-tier", "ultrafast")
    assert [None, "ultrafast", "ultrafast", None] == bench.upstream.tiers
    assert ("ultrafast", ["ultrafast"], True) == (
        result["service_tier"],
        result["chain"]["sent"],
        result["service_tier_control"]["valid"],
    )
    assert "ultrafast" in result["message"]


def test_the_same_speed_is_never_called_faster(bench: Bench) -> None:
    """A provider that takes the tier and does nothing with it is not praised for it."""
    bench.upstream.default = bench.upstream.priority = SLOW
    _, result = bench.direct("--pairs", "4")
    assert result["verdict"] in {"no_effect", "not_enough_data"}
    assert (False, True) == (result["observed_priority_effective"], result["priority_accepted"])


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_tier_ends_the_run(bench: Bench, status: int) -> None:
    """One refused request and one that succeeds are enough: the other pairs are not sent."""
    bench.upstream.priority = Reject(status=status, message="service_tier is not supported")
    code, result = bench.direct("--pairs", "8")
    assert (0, "completed", "refused", False) == (
        code,
        result["status"],
        result["verdict"],
        result["priority_accepted"],
    )
    assert [None, "priority"] == bench.upstream.tiers
    assert (8, 2, []) == (result["pairs"], len(result["samples"]), result["warnings"])
    assert ("refused", "priority") == (result["tier_verdict"]["verdict"], result["tier_verdict"]["tier"])
    (known,) = json.loads((bench.saved.parent / "fast_proxy.tiers.json").read_bytes())["records"]
    assert known["refused"] is True


def test_a_refusal_needs_a_success_without_the_tier(bench: Bench) -> None:
    """With 400 on both sides the request itself is wrong: nothing is said of the tier."""
    bench.upstream.default = bench.upstream.priority = Reject(status=400, message="no such model")
    code, result = bench.direct("--pairs", "2")
    assert (2, "benchmark_nothing_measured", None) == (code, result["code"], result["priority_accepted"])
    assert (4, "unknown") == (len(bench.upstream.turns), result["tier_verdict"]["verdict"])


def test_the_verdict_comes_first_and_the_cost_is_shown(bench: Bench) -> None:
    """A reader of the first lines knows the outcome and what it cost."""
    _, result = bench.direct("--pairs", "2")
    assert ["verdict", "message"] == [name for name in result if name not in {"command", "status", "schema_version"}][
        :2
    ]
    output = sum(one["output_tokens"] for one in result["samples"])
    assert {
        "requests": 4,
        "input_tokens": 44,
        "cached_tokens": 0,
        "output_tokens": output,
        "reasoning_tokens": 0,
    } == result["tokens"]


def test_the_history_is_kept_and_bounded(bench: Bench) -> None:
    """Each run of this model and tier is listed by the next ones; a smoke run replaces no full one."""
    full = bench.direct("--pairs", "1")[1]
    assert ([], str(bench.saved)) == (full["earlier_runs"], full["saved_to"])
    smoke = bench.direct("--pairs", "1", "--profile", "smoke")[1]
    assert (full["ts"], "full") == (smoke["earlier_runs"][0]["ts"], json.loads(bench.saved.read_bytes())["profile"])
    assert smoke["saved_to"].endswith("fast_proxy.benchmarks.json")
    assert ["which a smoke run does not replace" in warning for warning in smoke["warnings"]] == [True]
    for _ in range(6):
        last = bench.direct("--pairs", "1", "--model", "another")[1]
    assert [5, {"full"}] == [len(last["earlier_runs"]), {run["profile"] for run in last["earlier_runs"]}]
    again = bench.direct("--pairs", "1")[1]
    assert ["smoke", "full"] == [run["profile"] for run in again["earlier_runs"]]
    history = json.loads((bench.saved.parent / "fast_proxy.benchmarks.json").read_bytes())["runs"]
    assert (9, False) == (len(history), any("samples" in run for run in history))


def test_providers_are_told_apart_by_their_speed(bench: Bench) -> None:
    """Both echo the tier: one serves it, one does nothing; afterwards status says the same words."""
    bench.machine.install()
    for priority, expected in ((QUICK, "served"), (SLOW, "ignored")):
        bench.upstream.default, bench.upstream.priority = SLOW, priority
        _, result = bench.direct("--pairs", "6")
        if result["verdict"] != "not_enough_data":  # of a busy machine
            assert expected == result["tier_verdict"]["verdict"]
        (shown,) = bench.machine.cfp("status").json["tier_verdicts"]
        assert result["tier_verdict"]["message"] == shown["message"]
    assert bench.machine.cfp("uninstall").code == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Stall(), "TimeoutExpired"),
        (Stall(after_first_event=True), "TimeoutExpired"),
        (Cut(), "RemoteProtocolError"),
        (NotSse(), "NotEventStream"),
    ],
)
def test_a_turn_that_fails_is_named(bench: Bench, answer: Stall | Cut | NotSse, expected: str) -> None:
    """A stall ends after --timeout; none of these turns count, and the others do."""
    bench.upstream.priority = answer
    code, result = bench.direct("--pairs", "1", "--timeout", "0.5")
    assert (0, 1, 0) == (code, result["default"]["ok"], result["priority"]["ok"])
    assert expected == result["samples"][1]["error_type"]
    assert result["priority_accepted"] is None


def test_a_handshake_that_never_comes(bench: Bench) -> None:
    """A TLS provider that accepts and then says nothing is a timeout, and no connection stays open."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bench.machine.write("config.toml", relay_config(f"https://127.0.0.1:{silent.getsockname()[1]}/v1"))
        code, result = bench.direct("--pairs", "1", "--timeout", "0.3")
    assert (2, ["TimeoutExpired"] * 2) == (code, [one["error_type"] for one in result["samples"]])


def test_nothing_measured_is_an_error(bench: Bench) -> None:
    """A run without one successful turn fails by its exit code and overwrites no earlier result."""
    bench.machine.environ["RELAY_KEY"] = "sk-a-wrong-key"
    code, result = bench.direct("--pairs", "1")
    assert (2, "error", "benchmark_nothing_measured") == (code, result["status"], result["code"])
    assert [401, 401] == [one["status"] for one in result["samples"]]
    assert (None, False) == (result["saved_to"], bench.saved.exists())


def test_the_summary_is_kept(bench: Bench) -> None:
    """The saved file is what was printed, readable by its owner only; a later run replaces it."""
    _, first = bench.direct("--pairs", "1")
    assert str(bench.saved) == first["saved_to"]
    saved = json.loads(bench.saved.read_bytes())
    assert {name: value for name, value in first.items() if name != "saved_to"} == saved
    assert not any(map(others_may_read, (bench.saved, bench.saved.parent, bench.machine.state)))
    _, second = bench.direct("--pairs", "2")
    assert (2, second["ts"]) == ((now := json.loads(bench.saved.read_bytes()))["pairs"], now["ts"])


def test_nothing_is_kept_where_nothing_shall_be(bench: Bench) -> None:
    """--no-save leaves the home to the byte as it was."""
    before = bench.machine.files()
    _, result = bench.direct("--pairs", "1", "--no-save")
    assert (None, before) == (result["saved_to"], bench.machine.files())


def test_an_uninstall_takes_the_summary_along(bench: Bench) -> None:
    """A home that was only ever measured is clean again after an uninstall."""
    before = bench.machine.files()
    bench.direct("--pairs", "1")
    assert bench.machine.cfp("uninstall").code == 0
    assert before == bench.machine.files()


def test_what_is_measured_is_the_saved_upstream(bench: Bench) -> None:
    """On an enabled home the requests go past the proxy to the provider, with the key that Codex would send."""
    bench.machine.install()
    before = len(bench.upstream.turns)
    _, result = bench.direct("--pairs", "1", "--profile", "smoke", "--model", "m-1", "--reasoning-effort", "low")
    sent = [trial.json() for trial in bench.upstream.turns[before:]]
    assert [("m-1", {"effort": "low"})] * 2 == [(body["model"], body["reasoning"]) for body in sent]
    assert [None, "priority"] == [body.get("service_tier") for body in sent]
    assert (bench.upstream.base_url, "relay", "m-1", "low", "smoke", "direct", "process_env:RELAY_KEY") == tuple(
        result[name]
        for name in (
            *("upstream_base", "provider", "model", "reasoning_effort", "profile", "benchmark_mode"),
            "api_key_source",
        )
    )
    assert bench.machine.cfp("uninstall").code == 0


def test_the_providers_own_headers_go_along(bench: Bench) -> None:
    """http_headers and query_params of config.toml are sent, as Codex sends them."""
    bench.machine.relay(table='http_headers = { "X-Team" = "blue" }\nquery_params = { version = "2" }\n')
    bench.direct("--pairs", "1")
    assert {("blue", "/v1/responses?version=2")} == {
        (trial.header("x-team"), trial.path) for trial in bench.upstream.turns
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--pairs", "0"), "usage"),
        (("--timeout", "nan"), "usage"),
        (("--profile", "huge"), "usage"),
        (("--api-key-env", "sk-live-key"), "invalid_env_name"),
        (("--api-key-env", "NOT_SET"), "benchmark_key_unknown"),
        ((), "benchmark_codex_missing"),
    ],
)
def test_what_cannot_be_measured_costs_nothing(bench: Bench, arguments: tuple[str, ...], code: str) -> None:
    """Wrong flags, a missing key, no Codex: refused before any request, without a trace."""
    bench.machine.environ["PATH"] = "/nonexistent"
    before = bench.machine.files()
    exit_code, result = bench.run(*arguments)
    assert (2, code, False) == (exit_code, result["code"], result["changed"])
    assert ((), before) == (bench.upstream.turns, bench.machine.files())


def test_a_home_without_a_model(bench: Bench) -> None:
    """Without a model in config.toml and without a Codex to ask, --model is asked for."""
    bench.machine.relay(model="")
    bench.machine.environ["PATH"] = "/nonexistent"
    assert "benchmark_model_unknown" == bench.direct("--pairs", "1")[1]["code"]
    assert 0 == bench.direct("--pairs", "1", "--model", "m")[0]


def test_a_key_by_name(bench: Bench) -> None:
    """--api-key-env takes the key from that variable in place of the provider's own."""
    bench.machine.environ |= {"RELAY_KEY": "sk-a-wrong-key", "OTHER_KEY": CANARY}
    code, result = bench.direct("--pairs", "1", "--api-key-env", "OTHER_KEY")
    assert (0, "process_env:OTHER_KEY") == (code, result["api_key_source"])


def test_a_key_with_a_line_break(bench: Bench) -> None:
    """A key that no header can carry is refused before any request, and not shown."""
    bench.machine.environ["RELAY_KEY"] = f"{CANARY}\nx"
    code, result = bench.direct("--pairs", "1")
    assert (2, "upstream_key_malformed") == (code, result["code"])
    assert CANARY not in json.dumps(result)


def test_no_progress_without_a_terminal(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads stderr finds nothing there."""
    bench.direct("--pairs", "2")
    assert "" == capsys.readouterr().err


def test_interrupting_keeps_what_there_is(bench: Bench) -> None:
    """^C in the second turn: the first sample as JSON, status incomplete, exit 130; nothing is saved or left."""
    bench.upstream.priority = Stall(after_first_event=True)
    process = subprocess.Popen(
        command("benchmark", "--mode", "direct"),
        cwd=bench.machine.work,
        env=bench.machine.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        bench.upstream.wait_for_turns(2, 30)
        interrupt(process)
        stdout, stderr = process.communicate(timeout=20)
    result = json.loads(stdout)
    assert (130, "incomplete", ["default"]) == (
        process.returncode,
        result["status"],
        [one["tier"] for one in result["samples"]],
    )
    assert (3, "not_enough_data", None) == (result["pairs"], result["verdict"], result["saved_to"])
    assert "Traceback" not in stderr
    assert not bench.saved.exists()


@pytest.mark.parametrize("answer", [ScriptedTurn(), Reject(status=401, message=f"Bad key {CANARY}")])
def test_the_key_shows_nowhere(
    bench: Bench, answer: ScriptedTurn | Reject, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not on stdout, not on stderr, in no file of the home: neither the key nor what the provider said."""
    bench.upstream.priority = answer
    _, result = bench.direct("--pairs", "1")
    seen = json.dumps(result) + capsys.readouterr().err
    kept = b"".join(content for _, content in bench.machine.files().values()).decode()
    for secret in (CANARY, CANARY[-8:], "embedded upstream", "one hundred and twenty"):
        assert secret not in seen
        assert secret not in kept
    assert all(trial.header("authorization") == f"Bearer {CANARY}" for trial in bench.upstream.turns)
