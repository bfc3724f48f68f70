"""The three tables of docs/gateway.md, each cell of them measured: the tier, what is changed on the way, failures.

A request goes to LiteLLM itself, as our proxy would send it, and is compared with what reaches the provider.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from cfp.demo.provider import Received
from cfp.demo.scripted_turns import Cut, NotSse, Reject, Reply, ScriptedTurn, events
from cfp.proxy.http.content_coding import encode
from tests.end_to_end.harness import MODEL
from tests.end_to_end.listeners import Listener
from tests.gateway.litellm_proxy import MASTER_KEY, Gateway
from tests.proxy.exchange.test_websocket_tunnel import Socket

# The fields of a turn of Codex 0.171, and one that nobody knows.
TURN: Final[Mapping[str, Any]] = {
    "model": MODEL,
    "instructions": "Answer in one line.",
    "input": [
        {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "Say hello"}]}
    ],
    "tools": [{"type": "function", "name": "wait", "strict": False, "parameters": {"type": "object"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session-1",
    "service_tier": "priority",
    "text": {"verbosity": "low"},
    "client_metadata": {"session_id": "session-1"},
    "an_unknown_field": 1,
}
HEADERS: Final[Mapping[str, str]] = {
    "authorization": f"Bearer {MASTER_KEY}",
    "content-type": "application/json",
    "accept": "text/event-stream",
    "user-agent": "codex_exec/0.171.0",
    "originator": "codex_exec",
    "session-id": "session-1",
    "thread-id": "session-1",
    "x-client-request-id": "request-1",
    "x-codex-window-id": "window-1",
    "x-codex-turn-metadata": "{}",
    "via": "1.1 proxy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A running LiteLLM and the provider behind it."""

    gateway: Gateway
    provider: Listener

    def send(self, headers: Mapping[str, str] = MappingProxyType({}), **changes: Any) -> httpx.Response:
        """Send one turn to LiteLLM, with other values of header fields and of fields of the body."""
        url = f"{self.gateway.base_url}/responses"
        return httpx.post(url, json={**TURN, **changes}, headers={**HEADERS, **headers}, timeout=60)

    def arriving(self, send: Callable[[], object]) -> tuple[Received, ...]:
        """Return the POSTs that reach the provider meanwhile."""
        before = len(self.provider.received)
        send()
        return tuple(request for request in self.provider.received[before:] if request.method == "POST")


# ---- Which tier the provider gets --------------------------------------------------------------------------------

TIERS: Final[Mapping[str, str]] = {
    MODEL: "`model: openai/NAME`",
    "bridge": "`model: openai/responses/NAME`",
    "vllm": "`model: hosted_vllm/NAME`",
    "custom": "`model: custom_openai/NAME`",
    "drop": "`openai/NAME`, `drop_params: true`",
    "own-tier": "`openai/NAME`, `service_tier: flex`",
    "leave-out": '`openai/NAME`, `additional_drop_params: ["service_tier"]`',
    "chat": "`openai/NAME`, `use_chat_completions_api: true`",
    "chat-only": "`mistral/NAME`: a provider that LiteLLM knows by chat completions alone",
    "chat-only-allow": '`mistral/NAME`, `allowed_openai_params: ["service_tier"]`',
    "chat-only-other": "`mistral/NAME`, and the client's `User-Agent` does not begin with `codex`",
    "unknown": "`openai/NAME`, a name that LiteLLM's table of models does not have",
}


def tier_table(bench: Bench) -> Iterator[str]:
    """Yield a row for each setting of a model: the tier that reaches the provider, with one in the request."""
    yield "| `litellm_params` of the model | a request with `priority` |"
    yield "|---|---|"
    for model, words in TIERS.items():
        yield f"| {words} | {_tier(bench, model)} |"


def _tier(bench: Bench, model: str) -> str:
    answers: list[httpx.Response] = []
    agent = {"user-agent": "curl/8"} if model == "chat-only-other" else {}
    sent = bench.arriving(lambda: answers.append(bench.send(agent, model=model)))
    if not sent:
        return f"refused by LiteLLM: {answers[0].status_code}, {_words(answers[0])}"
    tier, path = sent[0].json().get("service_tier"), sent[0].path.removeprefix("/v1")
    lost = "" if "reasoning" in sent[0].json() or path != "/responses" else "; `reasoning` is left out"
    return (f"`{tier}`, to `{path}`" if tier else f"no tier, to `{path}`") + lost


def _words(answer: httpx.Response) -> str:
    """The name of LiteLLM's exception, and the parameters that it complains of."""
    message: str = answer.json()["error"]["message"]
    name = message.removeprefix("litellm.").split(":")[0]
    parameters = [one for one in ("reasoning.effort", "service_tier", "prompt_cache_key") if one in message]
    return f"`{name}` for {_names(parameters)}"


# ---- What is changed on the way ----------------------------------------------------------------------------------


def change_table(bench: Bench) -> Iterator[str]:
    """Yield a row for each thing of a turn that LiteLLM could change."""
    yield "| | through LiteLLM |"
    yield "|---|---|"
    for subject, measure in CHANGES.items():
        yield f"| {subject} | {measure(bench)} |"


def _request_headers(bench: Bench) -> str:
    (request,) = bench.arriving(bench.send)
    as_sent = [name for name, value in HEADERS.items() if request.header(name) == value]
    replaced = [name for name in HEADERS if request.header(name) not in {None, HEADERS[name]}]
    lost = [name for name in HEADERS if request.header(name) is None]
    return f"as sent: {_names(as_sent)}; replaced: {_names(replaced)}; not passed on: {_names(lost)}"


def _request_fields(bench: Bench) -> str:
    (request,) = bench.arriving(bench.send)
    fields = request.json()
    lost = [name for name in TURN if name not in fields]
    changed = [name for name in fields if fields[name] != TURN.get(name)]
    return f"not passed on: {_names(lost)}; changed or added: {_names(changed)}; all others as sent"


def _answer_headers(bench: Bench) -> str:
    bench.provider.script(Reject(status=400, headers=(("x-request-id", "request-9"), ("x-own", "1"))))
    fields = bench.send(model="fails-0").headers
    renamed = {"request-9", "1"} == {fields.get("llm_provider-x-request-id"), fields.get("llm_provider-x-own")}
    kept = [name for name in ("x-request-id", "x-own") if name in fields]
    own = sum(name.startswith("x-litellm-") for name in bench.send().headers)
    assert renamed, fields
    return (
        f"with `llm_provider-` before their names; under their own: {_names(kept)}; {own} of `x-litellm-…` are added"
    )


def _event_order(bench: Bench) -> str:
    stream, scripted = bench.send().text, _scripted(bench)
    kept = [event["type"] for event in _events(stream)] == [event["type"] for event in scripted]
    named = "event: " in stream
    ends = stream.rstrip().endswith("data: [DONE]")
    assert kept
    return (
        f"same types, same order; `event:` lines {'stay' if named else 'are gone'} (Codex reads `type`); "
        f"`data: [DONE]` is {'added' if ends else 'not there'}"
    )


def _event_fields(bench: Bench) -> str:
    stream = list(_events(bench.send().text))
    scripted = _scripted(bench)
    assert [event["sequence_number"] for event in scripted] == [event["sequence_number"] for event in stream]
    added = sorted(
        {name for mine, theirs in zip(stream, scripted, strict=True) for name in mine.keys() - theirs.keys()}
    )
    items = [event["item"]["id"] for event in stream if "item" in event]
    assert items == [event["item"]["id"] for event in scripted if "item" in event]
    became = "replaced" if stream[0]["response"]["id"] != scripted[0]["response"]["id"] else "kept"
    return f"`response.id` is {became}, ids of items are kept; added to each event: {_names(added)}"


def _usage(bench: Bench) -> str:
    mine, theirs = (list(one)[-1]["response"] for one in (_events(bench.send().text), _scripted(bench)))
    assert mine["service_tier"] == theirs["service_tier"] == "priority"
    assert all(mine["usage"][name] == value for name, value in theirs["usage"].items())
    added = sorted(mine["usage"].keys() - theirs["usage"].keys())
    return f"as the provider reports them; added to `usage`: {_names(added)}"


def _first_event(bench: Bench) -> str:
    """The provider pauses before each event, so those that arrive together were held back."""
    pause = 0.5
    bench.provider.script(ScriptedTurn(between=pause))
    url, arrived = f"{bench.gateway.base_url}/responses", list[tuple[float, str]]()
    with httpx.stream("POST", url, json=TURN, headers=HEADERS, timeout=30) as answer:
        for line in answer.iter_lines():
            arrived += [(time.monotonic(), event["type"]) for event in _events(line)]
    held = [kind for at, kind in arrived if at - arrived[0][0] < pause / 2]
    assert len(held) < 4
    return f"waits for the {len(held)}rd, `{held[-1]}`; from there on each is passed on at once"


def _broken_stream(bench: Bench) -> str:
    bench.provider.script(Cut(events=6), NotSse())
    cut, without_events = (list(_events(bench.send(model="fails-1").text)) for _ in range(2))
    assert [event["type"] for event in without_events] == [cut[-1]["type"]]
    return f"{len(cut) - 1} of them are passed on, then `{cut[-1]['type']}`; the same for an answer without events"


def _compressed(bench: Bench) -> str:
    body = encode(b"zstd", [json.dumps(TURN).encode()])
    url = f"{bench.gateway.base_url}/responses"
    answer = httpx.post(url, content=body, headers={**HEADERS, "content-encoding": "zstd"}, timeout=30)
    message = answer.json()["error"]["message"]
    return f"not unpacked: {answer.status_code}, `{message.partition(': ')[2]}`"


def _models(bench: Bench) -> str:
    """Both forms come from LiteLLM's own table; the provider is not asked."""
    before = len(bench.provider.received)
    plain, codex = (
        httpx.get(f"{bench.gateway.base_url}/models{query}", headers=HEADERS, timeout=30).json()
        for query in ("", "?client_version=0.171.0")
    )
    assert {MODEL} <= {one["id"] for one in plain["data"]}
    (entry,) = [one for one in codex["models"] if one["slug"] == MODEL]
    tiers = [tier["id"] for tier in entry["service_tiers"]]
    asked_for = len(bench.provider.received) - before
    return (
        f"LiteLLM's own: the public list, and with `client_version` Codex's catalogue, there with the tiers "
        f"{_names(tiers)} for {MODEL}; requests to the provider: {asked_for}"
    )


def _compact(bench: Bench) -> str:
    url = f"{bench.gateway.base_url}/responses/compact"
    body = {name: TURN[name] for name in ("instructions", "input")} | {"model": "fails-2"}
    sent = bench.arriving(lambda: httpx.post(url, json=body, headers=HEADERS, timeout=30))
    paths = [request.path.removeprefix("/v1") for request in sent]
    return f"passed on to the provider's {_names(sorted(set(paths)))}"


def _websocket(model: str) -> Callable[[Bench], str]:
    """Return the measurement of one turn on a socket, for a model of the gateway."""

    def measure(bench: Bench) -> str:
        kinds: list[str] = []
        sent = bench.arriving(lambda: kinds.extend(asyncio.run(_socket_turn(bench, model))))
        ending = f"events up to `{kinds[-1]}`" if kinds else "closed before the first event"
        return f"accepted; {ending}; requests to the provider: {len(sent)}"

    return measure


async def _socket_turn(bench: Bench, model: str) -> list[str]:
    """Open a socket, send one turn, and return the types of its events up to the last one or the close."""
    address = urlsplit(bench.gateway.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    fields = {**HEADERS, "host": address.netloc, "connection": "Upgrade", "upgrade": "websocket"}
    fields |= {"sec-websocket-version": "13", "sec-websocket-key": base64.b64encode(bytes(16)).decode()}
    lines = [f"GET {address.path}/responses HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    socket = Socket.of(reader, writer, client=True)
    await socket.send({**TURN, "type": "response.create", "model": model})
    kinds: list[str] = []
    while "response.completed" not in kinds:
        message = await asyncio.wait_for(socket.receive(), 30)
        if isinstance(message, tuple):
            break
        kinds.append(message["type"])
    writer.close()
    await writer.wait_closed()
    return kinds


CHANGES: Final[Mapping[str, Callable[[Bench], str]]] = {
    "header fields of a request": _request_headers,
    "fields of its body (`an_unknown_field` is one that nobody knows)": _request_fields,
    "a body that is compressed (zstd)": _compressed,
    "header fields of the answer": _answer_headers,
    "events": _event_order,
    "ids": _event_fields,
    "token counts and the echoed tier": _usage,
    "the first event": _first_event,
    "a stream that breaks off after a burst of 6 events": _broken_stream,
    "a WebSocket, for `openai/NAME` and a provider at `http://`": _websocket("fails-8"),
    "a WebSocket, for `hosted_vllm/NAME`": _websocket("vllm"),
    "`GET /models`": _models,
    "`POST /responses/compact`": _compact,
}

# ---- Failures ----------------------------------------------------------------------------------------------------

_LIMIT: Final = "Rate limit reached. Please try again in 7s."
FAILURES: Final[Mapping[str, Reply]] = {
    "400": Reject(status=400, message="Unknown parameter."),
    "401": Reject(status=401, message="Incorrect API key provided."),
    "429 with `Retry-After: 7`": Reject(status=429, message=_LIMIT, headers=(("retry-after", "7"),)),
    "500": Reject(status=500, message="Broken."),
    "503 with `Retry-After: 7`": Reject(status=503, message="Busy.", headers=(("retry-after", "7"),)),
}


def failure_table(bench: Bench) -> Iterator[str]:
    """Yield a row for each failure: of the provider, and of LiteLLM itself."""
    yield "| the provider answers | requests to it | LiteLLM answers | `type` | `Retry-After` | its words |"
    yield "|---|---|---|---|---|---|"
    for number, (subject, reply) in enumerate(FAILURES.items(), start=3):
        bench.provider.default = reply
        yield _failure(bench, subject, f"fails-{number}", reply)
        if subject == "401":
            yield _failure(bench, "the next request of anybody, within 5 s", f"fails-{number}", reply)
    bench.provider.default = ScriptedTurn()
    yield _failure(bench, "no provider: a model that LiteLLM does not have", "nobody", None)
    yield _failure(bench, "no provider: a wrong key, where LiteLLM has no database", MODEL, None, key="sk-of-nobody")


def _failure(bench: Bench, subject: str, model: str, reply: Reply | None, key: str = MASTER_KEY) -> str:
    answers: list[httpx.Response] = []
    authorization = {"authorization": f"Bearer {key}"}
    sent = bench.arriving(lambda: answers.append(bench.send(authorization, model=model)))
    (answer,) = answers
    error = answer.json()["error"]
    wait = answer.headers.get("retry-after", "no")
    if "llm_provider-retry-after" in answer.headers:
        wait += f", but `llm_provider-retry-after: {answer.headers['llm_provider-retry-after']}`"
    words = "among LiteLLM's" if isinstance(reply, Reject) and reply.message in error["message"] else "no"
    return f"| {subject} | {len(sent)} | {answer.status_code} | `{error['type']}` | {wait} | {words} |"


# ---- Small parts -------------------------------------------------------------------------------------------------


def _events(stream: str) -> Iterator[dict[str, Any]]:
    """The events of a stream, without the word that ends it."""
    for line in stream.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def _scripted(bench: Bench) -> list[Mapping[str, Any]]:
    """The events with which the provider answered the last turn."""
    return list(events(TURN, ScriptedTurn(), len(bench.provider.received)))


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
