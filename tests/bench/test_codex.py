"""Turns of the real Codex in its throw-away home, and what that home says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
from hypothesis import given
from hypothesis import strategies as st

from cfp.bench.codex_exec import config_text, environment
from cfp.demo.scripted_turns import ScriptedTurn, Stall
from tests.bench.conftest import CANARY, Bench
from tests.interrupting import command, interrupt
from tests.programs import write_program

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(words, st.none() | words)
def test_the_throw_away_config_says_what_was_meant(model: str, effort: str | None) -> None:
    """Whatever the model is called, the text is TOML and names it; nothing is tried twice."""
    doc = tomllib.loads(config_text(base_url="http://127.0.0.1:1/v1", model=model, effort=effort, timeout=1.5))
    assert (model, effort) == (doc["model"], doc.get("model_reasoning_effort"))
    provider = doc["model_providers"][doc["model_provider"]]
    assert (0, 0, 1500) == tuple(
        provider[name] for name in ("request_max_retries", "stream_max_retries", "stream_idle_timeout_ms")
    )
    assert "service_tier" not in doc


def test_codex_sees_little_of_the_users_environment() -> None:
    """Keys, proxies and other homes stay outside; what finds programs goes along."""
    home = Path("/tmp/t/home")
    own = {"PATH": "/bin", "LC_ALL": "C", "RELAY_KEY": CANARY, "CODEX_HOME": "/x", "http_proxy": "p", "RUST_LOG": "t"}
    variables = environment(own, home=home, origin="http://127.0.0.1:1", pass_phrase="secret")
    assert {"PATH", "LC_ALL", "HOME", "USERPROFILE", "CODEX_HOME", "HTTPS_PROXY", "NO_PROXY"} == variables.keys() - {
        "CODEX_FAST_PROXY_BENCHMARK"
    }
    assert (str(home.parent), str(home)) == (variables["HOME"], variables["CODEX_HOME"])


HANGS = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""


def _pretend_codex(bench: Bench, script: str) -> None:
    """Put a program of that name on PATH: a script in Python."""
    folder = bench.machine.root / "bin"
    write_program(folder / "codex", script)
    bench.machine.environ["PATH"] = os.pathsep.join((str(folder), os.environ["PATH"]))


def test_a_codex_that_hangs_is_ended_with_its_children(bench: Bench) -> None:
    """A Codex that never asks is a timeout; neither it nor what it started is left."""
    _pretend_codex(bench, HANGS)
    code, result = bench.run("--pairs", "1", "--timeout", "1")
    assert (2, "benchmark_nothing_measured") == (code, result["code"])
    assert ["TimeoutExpired"] * 2 == [one["error_type"] for one in result["samples"]]
    _, alive = psutil.wait_procs(bench.machine.processes(), timeout=20)
    assert ([], []) == (alive, list(bench.machine.temporary.iterdir()))


def test_a_codex_that_fails_is_named(bench: Bench) -> None:
    """A Codex that ends without a request gives no times, and says nothing on our streams."""
    _pretend_codex(bench, "import sys; print('out'); sys.exit(3)\n")
    code, result = bench.run("--pairs", "1")
    assert (2, [("CodexFailed", 0)] * 2) == (
        code,
        [(one["error_type"], one["requests"]) for one in result["samples"]],
    )


def test_real_codex_measures_a_faster_tier(codex_bench: Bench) -> None:
    """Real turns of Codex: the tier is set on the wire, the times are the provider's, the user's home is not used."""
    bench = codex_bench
    bench.upstream.default, bench.upstream.priority = ScriptedTurn(first_after=0.3), ScriptedTurn(first_after=0.05)
    bench.machine.write(
        "hooks.json", '{"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"exit 1"}]}]}}'
    )
    before = bench.machine.files()
    code, result = bench.run("--pairs", "2", "--reasoning-effort", "low", "--no-save")
    assert (0, "completed", "codex-cli") == (code, result["status"], result["benchmark_mode"]), result
    assert result["observed_speedup_total"] > 2
    assert (True, 2, 2, []) == (
        result["service_tier_control"]["valid"],
        result["default"]["ok"],
        result["priority"]["ok"],
        result["warnings"],
    )
    assert {1} == {one["requests"] for one in result["samples"]}
    assert all(200 < one["total_ms"] < 3000 for one in result["samples"] if one["tier"] == "default")
    assert [None, "priority", "priority", None] == bench.upstream.tiers
    bodies = [trial.json() for trial in bench.upstream.turns]
    assert {("gpt-5.5", "low")} == {(body["model"], body["reasoning"]["effort"]) for body in bodies}
    assert {("codex_exec", f"Bearer {CANARY}")} == {
        (trial.header("originator"), trial.header("authorization")) for trial in bench.upstream.turns
    }
    assert 4 == len(bench.upstream.received)
    assert before == bench.machine.files()
    assert [] == list(bench.machine.temporary.iterdir())
    assert CANARY not in json.dumps(result)


def test_a_real_codex_that_takes_too_long_is_ended(codex_bench: Bench) -> None:
    """After --timeout the turn's Codex and its children are gone, and the sample is a timeout."""
    bench = codex_bench
    bench.upstream.priority = Stall(after_first_event=True)
    _, result = bench.run("--pairs", "1", "--timeout", "4", "--no-save")
    assert "TimeoutExpired" == result["samples"][1]["error_type"]
    assert [] == bench.machine.processes()


def test_interrupting_a_real_codex(codex_bench: Bench) -> None:
    """^C while Codex waits for the provider: no process and no file of the turn stay."""
    bench = codex_bench
    bench.upstream.default = Stall()
    process = subprocess.Popen(
        command("benchmark"),
        cwd=bench.machine.work,
        env=bench.machine.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        bench.upstream.wait_for_turns(1, 30)
        interrupt(process)
        stdout, _ = process.communicate(timeout=20)
    assert (130, "incomplete", []) == (
        process.returncode,
        (outcome := json.loads(stdout))["status"],
        outcome["samples"],
    )
    assert ([], []) == (bench.machine.processes(), list(bench.machine.temporary.iterdir()))


def test_a_real_codex_does_not_outlive_its_benchmark(codex_bench: Bench) -> None:
    """Even where the benchmark is killed outright, its Codex ends by itself: nothing is tried again."""
    bench = codex_bench
    bench.upstream.default = Stall()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "codex_fast_proxy", "benchmark"],
        cwd=bench.machine.work,
        env=bench.machine.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        bench.upstream.wait_for_turns(1, 30)
        process.kill()
    _, alive = psutil.wait_procs(bench.machine.processes(), timeout=20)
    assert [] == alive
