"""docs/reference.md, made from the commands' flags, the tables of promises, the schemas and the messages."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from cfp import errors
from cfp.audience import AGENTS
from cfp.commands import GROUPS
from cfp.commands.overview import EXIT_CODES
from cfp.commands.parsing import PROGRAM, load, parser_of
from cfp.messages import ERRORS, Message
from cfp.messages.benchmark import BENCHMARK
from tests.contract.promises import CLOSED, STATUSES
from tests.house.source import REPOSITORY, dotted, modules

_COMMON = frozenset({"codex_home", "format", "help"})


def reference(schemas: dict[str, dict[str, Any]]) -> str:
    """The page."""
    return (
        "\n".join([*_head(), *_commands(schemas), *_closed_sets(), *_exit_codes(), *_error_codes(), *_agents()])
        + "\n"
    )


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made from the code by `nox -s reference`; do not edit it. Tasks are in [guide.md](guide.md), ways out of"
    yield "trouble in [troubleshooting.md](troubleshooting.md)."
    yield ""
    yield "Each command answers with one JSON object on stdout, or, for a person at a terminal, with a page of text"
    yield "([agents](#agents)). Every answer has `command`, `status` and `schema_version`; with `status` `error` it"
    yield "also has `error`, `code`, `next_user_action` and `changed`. The schemas are in [schemas/](schemas); a new"
    yield "field does not make a new version."
    yield ""
    yield "Flags of every command: `--codex-home DIR` (default: `CODEX_HOME`, else `~/.codex`), "
    yield "`--format auto|json|text` (default: `CFP_FORMAT`, else `auto`), `--help`."
    yield ""


def _agents() -> Iterator[str]:
    yield "## Agents"
    yield ""
    yield "With `--format auto`, a terminal counts as a pipe where one of these variables is set, and not empty."
    yield "`CI` is none of them."
    yield ""
    yield from _table(("variable", "known from"), [(f"`{name}`", source) for name, source in AGENTS.items()])


def _commands(schemas: dict[str, dict[str, Any]]) -> Iterator[str]:
    for task, verbs in GROUPS.items():
        yield f"## {task}"
        yield ""
        for verb in verbs:
            yield from _command(verb, schemas.get(verb))


def _command(verb: str, schema: dict[str, Any] | None) -> Iterator[str]:
    command = load(verb)
    yield f"### `{verb}`"
    yield ""
    yield command.description
    yield ""
    yield "```bash"
    yield from (f"{PROGRAM} {verb} {words}".rstrip() + f"  # {what}" for words, what in command.examples)
    yield "```"
    yield ""
    yield from _table(("flag", "what it does"), [_flag(action) for action in _actions(verb)])
    if command.output:
        yield command.output
        yield ""
    if schema is not None and STATUSES[verb]:
        yield from _table(("status", "when"), [(f"`{name}`", when) for name, when in STATUSES[verb].items()])
        yield from _table(("field", "type", "meaning"), _fields(schema))


def _actions(verb: str) -> list[argparse.Action]:
    return [action for action in parser_of(verb)._actions if action.dest not in _COMMON]


def _flag(action: argparse.Action) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.dest}`"
    value = action.metavar if action.option_strings and action.nargs != 0 else None
    if action.choices:
        value = "\\|".join(map(str, action.choices))
    return f"{names} `{value}`" if value else names, str(action.help)


def _fields(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    answer = schema["else"]
    rows = []
    for name, field in answer["properties"].items():
        if name in {"command", "status", "schema_version"}:
            continue
        types = field["type"] if isinstance(field["type"], list) else [field["type"]]
        optional = "" if name in answer["required"] else " (sometimes)"
        rows.append((f"`{name}`", " or ".join(types) + optional, field["description"]))
    return rows


def _closed_sets() -> Iterator[str]:
    yield "## Closed sets"
    yield ""
    rows = [(f"`{name}`", ", ".join(f"`{value}`" for value in values)) for name, values in CLOSED.items()]
    yield from _table(("field", "values"), rows)


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes"
    yield ""
    yield from _table(("code", "meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES.items()])


def _error_codes() -> Iterator[str]:
    yield "## Error codes"
    yield ""
    rows, places, raised = [], _places(), _raised()
    messages: dict[str, Message] = {**ERRORS, **BENCHMARK}
    for code in sorted(code for code in messages if code in places):
        message = messages[code]
        link = f'<a id="{code}"></a>[`{code}`](troubleshooting.md#{places[code]})'
        rows.append(
            (link, str(raised.get(code, errors.CfpError.exit_code)), f"{message.sentence} {message.action}".strip())
        )
    yield from _table(("code", "exit", "what is said"), rows)


def _places() -> dict[str, str]:
    """Return the anchor of each code's heading in docs/troubleshooting.md."""
    page = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    anchors = {heading: re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    places = {code: anchor for heading, anchor in anchors.items() for code in re.findall(r"`(\w+)`", heading)}
    confirmation = "chatgpt_auth_direct_upstream_uninstall_requires_confirmation"
    return {**places, "confirmation_required": places[confirmation]}


def _raised() -> dict[str, int]:
    """Each code that an error carries, and the exit code of its class."""
    classes = inspect.getmembers(errors, inspect.isclass)
    kinds = {name: kind for name, kind in classes if issubclass(kind, errors.CfpError)}
    exits = {"bug": 70, "interrupted_by_user": 130}
    for call in (call for module in modules("cfp") for call in module.calls()):
        kind = kinds.get(dotted(call.func).rpartition(".")[2])
        code = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        if kind is not None and isinstance(code, str) and code in ERRORS:
            exits[code] = 130 if kind is errors.CutShort else kind.exit_code
    return exits


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
