"""Every state of the page, each made by the real program: a name, and the steps that lead a new home there."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from cfp.demo.scripted_turns import Reject, Stall
from cfp.layout import Layout
from tests.dashboard import stage
from tests.end_to_end.harness import Machine, chatgpt_login, login_config

RELAY = "https://relay.example/v1"
NO_NETWORK = ("--upstream-base", RELAY, "--no-verify")
LONG = "a-name-that-goes-on-" * 500

State = AbstractContextManager[None]


def ready(machine: Machine, runs: int = 1) -> State:
    """Prepare a past with Fast, and this many benchmarks."""
    now = stage.now()
    saved = stage.benchmark(RELAY, now - timedelta(days=6)) if runs else None
    history = [stage.run(RELAY, now - timedelta(days=6 + 9 * number), number) for number in reversed(range(runs))]
    lines = stage.past(RELAY, now - timedelta(seconds=40))
    stage.install(machine, lines, saved, *NO_NETWORK, runs=history)
    stage.served_with_present_settings(machine)
    return nullcontext()


def many_benchmarks(machine: Machine) -> State:
    return ready(machine, runs=30)


def unmeasured(machine: Machine) -> State:
    return ready(machine, runs=0)


def empty(machine: Machine) -> State:
    stage.install(machine, [], None, *NO_NETWORK)
    return nullcontext()


def busy(machine: Machine) -> State:
    """Prepare a past, and five requests that run."""
    base, now = machine.upstream.base_url, stage.now()
    stage.install(machine, stage.past(base, now - timedelta(seconds=9), turns=100))
    stage.served_with_present_settings(machine)
    machine.upstream.script(*[Stall(after_first_event=True)] * 5)
    return stage.running(machine, 5)


def refused_key(machine: Machine) -> State:
    """Prepare a past, and three requests whose key the provider refuses."""
    stage.install(machine, stage.past(machine.upstream.base_url, stage.now() - timedelta(minutes=2)))
    machine.upstream.script(*[Reject(status=401)] * 3)
    assert [401] * 3 == [stage.turn(machine) for _ in range(3)]
    return nullcontext()


def away(machine: Machine) -> State:
    """Prepare a provider whose port nobody listens at, and a request that waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        base = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    stage.install(machine, stage.past(base, stage.now()), None, "--upstream-base", base, "--no-verify")
    return stage.running(machine, 1)


def interrupted(machine: Machine) -> State:
    empty(machine)
    (Layout(machine.home).journal / "20260102T030405Z-0123abcd.open").write_text("")
    return nullcontext()


def elsewhere(machine: Machine) -> State:
    """Prepare a config.toml that no longer leads to the proxy."""
    empty(machine)
    port = b":%d/" % machine.port
    machine.config.write_bytes(machine.config.read_bytes().replace(port, b":9/"))
    return nullcontext()


def opted_out(machine: Machine) -> State:
    empty(machine)
    machine.config.write_bytes(b'service_tier = "default"\n' + machine.config.read_bytes())
    return nullcontext()


def stated(machine: Machine) -> State:
    empty(machine)
    machine.config.write_bytes(b'service_tier = "flex"\n' + machine.config.read_bytes())
    return nullcontext()


def never(machine: Machine) -> State:
    stage.install(machine, [], None, *NO_NETWORK, "--service-tier-policy", "preserve")
    return nullcontext()


def always(machine: Machine) -> State:
    stage.install(machine, [], None, *NO_NETWORK, "--service-tier-policy", "inject_missing")
    return nullcontext()


def switch(machine: Machine) -> State:
    """Prepare a ChatGPT login, with which Codex's own switch decides."""
    config = login_config(machine.upstream.base_url)
    stage.install(machine, [], None, *NO_NETWORK, config=config, login=chatgpt_login())
    return nullcontext()


def unknown_login(machine: Machine) -> State:
    config = login_config(machine.upstream.base_url)
    stage.install(machine, [], None, *NO_NETWORK, config=config, login="{}")
    return nullcontext()


def refused_tier(machine: Machine) -> State:
    now = stage.now().timestamp()
    record = {"upstream_base": RELAY, "model": stage.FAST, "tier": "priority", "since": now, "at": now}
    records = [{**record, "refused": True, "answers": 0, "echoes": {}}]
    layout = Layout(machine.home)
    layout.worker.mkdir(parents=True)
    layout.tier_records.write_text(json.dumps({"version": 1, "records": records}))
    stage.install(machine, [], None, *NO_NETWORK)
    return nullcontext()


def ruled(machine: Machine) -> State:
    """Prepare rules, a budget of which one limit is spent, and a saved upstream in use, with a long name."""
    stage.install(machine, [])
    for words in (
        ("fast", "add", "--kind", "subagent", "--action", "remove"),
        ("fast", "add", "--model", "gpt-5*", "--action", "add"),
        ("fast", "budget", "--requests", "1", "--tokens", "9000000000"),
        ("upstream", "add", "m" * 64),
        ("start",),
    ):
        ran = machine.cfp(*words)
        assert ran.code == 0, ran.transcript
    assert 200 == stage.turn(machine)
    return nullcontext()


def odd(machine: Machine) -> State:
    """Prepare a log with markup, control characters, long names and huge numbers; half of a character is no line."""
    now = stage.now()
    texts = ("<img src=x onerror=alert(1)>", "\x00\x1b[31m\u202egnp.exe", LONG, "=1+1", "\ud800", "")
    usage = {"input_tokens": 2**62, "cached_tokens": 2**61, "output_tokens": 2**62, "reasoning_tokens": 2**60}
    lines = []
    for number, text in enumerate(texts * 5):
        names = ("model", "response_model", "session", "kind", "service_tier_after", "response_service_tier")
        fields: dict[str, Any] = {**dict.fromkeys(names, text), "usage": usage, "upstream_base": RELAY}
        fields |= {"ending": text, "error_type": text, "upstream_error_code": text, "path": f"/v1/responses{text}"}
        lines.append(
            stage.line(now - timedelta(seconds=number), number, **fields, duration_ms=1e17, first_byte_ms=9e14)
        )
    lines.append({**stage.line(now, 99), "ts": "yesterday"})
    stage.install(machine, lines, None, *NO_NETWORK)
    return nullcontext()


STATES: dict[str, Callable[[Machine], State]] = {
    state.__name__: state
    for state in (
        *(empty, ready, unmeasured, many_benchmarks, busy, refused_key, away, interrupted, elsewhere, ruled, odd),
        *(opted_out, stated, never, always, switch, unknown_login, refused_tier),
    )
}


@contextmanager
def in_state(machine: Machine, name: str) -> Iterator[None]:
    """Lead the machine to the state, and keep it there until the context ends."""
    with STATES[name](machine):
        yield
