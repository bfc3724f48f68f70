"""JSON Schemas of the results, made from the tables of promises and the golden answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cfp.commands import COMMANDS
from cfp.result import SCHEMA_VERSION
from tests.contract.promises import CLOSED, ENVELOPE, ERROR, FIELDS, SOMETIMES, STATUSES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]


def schema(verb: str, answers: Sequence[Mapping[str, Any]]) -> Json:
    """The schema of one verb's answers, of which these are examples; more fields may come without a new version."""
    good = [set(answer) - {"exit_code"} for answer in answers if answer["status"] != "error"]
    required = set.intersection(*good) if good else set(ENVELOPE)
    known = set.union(*good, set(SOMETIMES.get(verb, ())), set(ENVELOPE))
    return {
        "$schema": _DIALECT,
        "$id": f"urn:codex-fast-proxy:result:{verb}:{SCHEMA_VERSION}",
        "title": f"What `codex-fast-proxy {verb}` answers",
        "description": COMMANDS[verb][1],
        "if": {"properties": {"status": {"const": "error"}}},
        "then": {"$ref": "#/$defs/error"},
        "else": _object(verb, [name for name in FIELDS if name in known], required, tuple(STATUSES[verb])),
        "$defs": {"error": _object(verb, ERROR, set(ERROR), ("error",))},
    }


def _object(verb: str, names: Sequence[str], required: set[str], statuses: Sequence[str]) -> Json:
    properties = {name: field(name) for name in names}
    properties["command"] = {"const": verb, "description": FIELDS["command"][1]}
    properties["status"] = {"enum": list(statuses), "description": FIELDS["status"][1]}
    properties["schema_version"] = {"const": SCHEMA_VERSION, "description": FIELDS["schema_version"][1]}
    return {"type": "object", "required": [name for name in names if name in required], "properties": properties}


def field(name: str) -> Json:
    """One field: its types, its closed set, its meaning."""
    types, meaning = FIELDS[name]
    names = types.split()
    value: Json = {"type": names if len(names) > 1 else names[0], "description": meaning}
    if name in CLOSED and names in (["string"], ["string", "null"]):
        value["enum"] = [*CLOSED[name], *([None] if "null" in names else [])]
    inner = {path.partition(".")[2]: list(choices) for path, choices in CLOSED.items() if path.startswith(f"{name}.")}
    if inner:
        value["properties"] = {key: {"enum": choices} for key, choices in inner.items()}
    return value
