"""The replies of a Responses provider: the event stream that Codex 0.169 follows, and the failures of providers.

Pure values. A turn of Codex is one `POST /responses`; each class of `Reply` is one possible response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedTurn:
    """A complete event stream with the text `text`.

    first_after   seconds before the first event
    between       seconds from one event to the next
    tier          the tier that the provider reports; None echoes the request's
    """

    text: str = "Hello from the embedded upstream."
    first_after: float = 0.0
    between: float = 0.0
    tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A complete event stream whose one output is the call of a tool; `arguments` are JSON.

    namespace  that of the tool; "" for a tool without one, such as the shell
    """

    name: str
    arguments: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """An HTTP error with a JSON body in the provider's form."""

    status: int
    message: str = "The embedded upstream was told to refuse."
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSse:
    """200 with a whole JSON response in place of the requested stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Silence until the client closes or the provider stops: before any byte, or after the first event."""

    after_first_event: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The stream ends in the middle: its connection is closed after `events` events."""

    events: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTier:
    """One turn for requests of the tier `priority`, another for the rest: a provider whose tier does something."""

    priority: ScriptedTurn
    rest: ScriptedTurn


Reply = ScriptedTurn | ToolCall | ByTier | Reject | NotSse | Stall | Cut
Event = Mapping[str, Any]


def call_events(request: Mapping[str, Any], call: ToolCall, number: int) -> list[Event]:
    """Return the event stream of a tool's call, as Codex 0.171 follows it."""
    response = {"id": f"resp_{number:08d}", "object": "response", "model": request.get("model")}
    item = {
        "id": f"fc_{number:08d}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{number:08d}",
        **({"namespace": call.namespace} if call.namespace else {}),
        "name": call.name,
        "arguments": call.arguments,
    }
    return [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {**response, "status": "completed", "output": [item]}},
    ]


def events(request: Mapping[str, Any], turn: ScriptedTurn, number: int) -> list[Event]:
    """Return the event stream of a turn as Codex 0.169 follows it to `response.completed`.

    request  the parsed body; its `service_tier` is echoed unless the turn names another
    number   makes the ids of this response unique
    """
    response = {
        "id": f"resp_{number:08d}",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": request.get("model"),
        "service_tier": turn.tier or request.get("service_tier") or "default",
    }
    item = {"id": f"msg_{number:08d}", "type": "message", "role": "assistant", "phase": "final_answer"}
    begun: Event = {**response, "status": "in_progress", "output": []}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": turn.text, "annotations": []}
    done = {**item, "status": "completed", "content": [part]}
    words = re.findall(r"\S*\s*", turn.text)[:-1]
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(words),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 11 + len(words),
    }
    ended = {**response, "status": "completed", "output": [done], "usage": usage}
    added = {**item, "status": "in_progress", "content": []}
    # fmt: off
    story: list[Event] = [
        {"type": "response.created",            "response": begun},
        {"type": "response.in_progress",        "response": begun},
        {"type": "response.output_item.added",  "output_index": 0, "item": added},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
      *({"type": "response.output_text.delta",  **place, "delta": word} for word in words),
        {"type": "response.output_text.done",   **place, "text": turn.text},
        {"type": "response.content_part.done",  **place, "part": part},
        {"type": "response.output_item.done",   "output_index": 0, "item": done},
        {"type": "response.completed",          "response": ended},
    ]
    # fmt: on
    return [{**event, "sequence_number": index} for index, event in enumerate(story)]


def model(slug: str, *, tiers: tuple[str, ...] = ("priority",)) -> dict[str, Any]:
    """Return one entry of GET /models in the form that Codex 0.169 reads (a catalog, not the public list)."""
    return {
        "slug": slug,
        "display_name": slug,
        "description": "A model of the embedded upstream.",
        "default_reasoning_level": "low",
        "supported_reasoning_levels": [{"effort": "low", "description": "Short"}],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 1,
        "service_tiers": [{"id": tier, "name": tier, "description": tier} for tier in tiers],
        "upgrade": None,
        "base_instructions": "Answer in one line.",
        "supports_reasoning_summaries": False,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "truncation_policy": {"mode": "bytes", "limit": 10000},
        "supports_parallel_tool_calls": False,
        "context_window": 200000,
        "experimental_supported_tools": [],
    }
