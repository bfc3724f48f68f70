"""Edits of config.toml and hooks.json by others: texts in, texts out, with the meaning of each edit to its owner.

No parser or editor of ours takes part. An edit whose text does not come to mean what it declares is no edit at all
(`edited` returns None): spellings differ, and not every writer can write into each of them.
"""

from __future__ import annotations

import copy
import functools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Leaves = dict[tuple[str, ...], Any]
GONE = object()
BOM = "\ufeff"
URLS = ("https://relay.example/v1", "https://mine.example/v1", "https://other.example/api")
OUR_URL = re.compile(
    r"(?i)http://(?:[^/@]*@)?(localhost\.?|127\.0\.0\.1|127\.1|2130706433|\[::1\]|\[::ffff:7f00:1\]):878[78](?:/.*)?"
)
SPELLINGS = (
    *("http://localhost:{port}/v1", "http://127.0.0.1:{port}/v1/", "HTTP://LOCALHOST:{port}/v1"),
    *("http://[::1]:{port}/v1", "http://127.1:{port}", "http://me:pw@127.0.0.1:{port}/other/path"),
    *("http://2130706433:{port}/v1", "http://[::ffff:7f00:1]:{port}/v1"),
)
OUR_COMMAND = "codex_fast_proxy autostart"

_TABLE = """
[mcp_servers.notes]
command = "notes"
env = { TOKEN = "canary-mcp-0123456789" }
"""
PLAIN = f"""\
# my settings
model = "gpt-5.5"
model_provider = "relay"

[model_providers.relay]
name = "Relay"
base_url = '{URLS[0]}'  # the good one
env_key = "RELAY_KEY"
{_TABLE}"""
OPTED_OUT = f"""\
model_provider = "relay"
service_tier = "default"
features.hooks = false
{_TABLE}
[model_providers.relay]
name = "relay"
base_url = "{URLS[0]}"
env_key = "RELAY_KEY"

[hooks.state."/elsewhere/hooks.json:session_start:0:0"]
trusted_hash = "sha256:theirs"
"""
WINDOWS = BOM + PLAIN.replace("\n", "\r\n")
INLINE = f"""\
model_provider = "relay"
features = {{ web_search = true, hooks = true }}
model_providers = {{ relay = {{ name = "R", base_url = "{URLS[0]}", env_key = "RELAY_KEY" }} }}
"""
BUILT_IN = 'model = "gpt-5.5"\n'
TWO = f"""\
model_provider = "relay"

[model_providers.relay]
name = "relay"
base_url = "{URLS[0]}"
env_key = "RELAY_KEY"

[model_providers.other]
name = "other"
base_url = "{URLS[2]}"
env_key = "OTHER_KEY"
"""
CONFIGS = {
    "two": TWO,
    "plain": PLAIN,
    "opted out": OPTED_OUT,
    "windows": WINDOWS,
    "inline": INLINE,
    "built-in": BUILT_IN,
}


@functools.lru_cache(maxsize=4096)
def leaves(data: bytes | None) -> Leaves | None:
    """Every value of config.toml by its path; None where it does not parse. Empty tables are nothing."""
    try:
        doc = tomllib.loads((data or b"").decode("utf-8-sig").replace("\r\n", "\n"))
    except ValueError:
        return None
    return dict(_leaves(doc, ()))


def _leaves(doc: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in doc.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def changed(old: Leaves, edit: Leaves) -> Leaves:
    """The values after an edit, whose GONE ones are deletions."""
    return {path: value for path, value in (old | edit).items() if value is not GONE}


@dataclass(frozen=True, slots=True)
class Edit:
    """A text and which values its writer meant to change."""

    text: str
    meant: Leaves


def edited(data: bytes, edit: Edit) -> bytes | None:
    """The bytes of an edited config.toml, None where the edit does not come out as it was meant."""
    before, after = leaves(data), leaves(edit.text.encode())
    return edit.text.encode() if after is not None and after == changed(before or {}, edit.meant) else None


def add_table(text: str, number: int) -> Edit:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = ["", f'[projects."/projects/{number}"]', 'trust_level = "trusted"', ""]
    head = text if not text or text.endswith("\n") else text + newline
    return Edit(head + newline.join(lines), {("projects", f"/projects/{number}", "trust_level"): "trusted"})


def drop_table(text: str, number: int) -> Edit:
    pattern = rf'(\r?\n)?\[projects\."/projects/{number}"\]\r?\ntrust_level = "trusted"(\r?\n)?'
    return Edit(re.sub(pattern, "\n", text, count=1), {("projects", f"/projects/{number}", "trust_level"): GONE})


def add_key(text: str, number: int) -> Edit:
    mark = BOM if text.startswith(BOM) else ""
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"note_{number} = {number}{newline}"
    return Edit(mark + line + text.removeprefix(mark), {(f"note_{number}",): number})


def set_url(text: str, path: tuple[str, ...], now: str, wanted: str) -> Edit:
    """Point the provider elsewhere, in whatever spelling its URL stands."""
    return Edit(text.replace(now, wanted, 1), {path: wanted})


def respell(text: str, path: tuple[str, ...], now: str, spelling: str) -> Edit:
    """Write an address of ours in another way, which leads to the same place."""
    port = now.rpartition(":")[2][:4]
    other = spelling.format(port=port)
    return Edit(text.replace(now, other, 1), {path: other})


def names_ours(data: bytes | None) -> list[str]:
    """Return the keys of a config.toml whose value is an address of ours, in any spelling."""
    values = leaves(data) or {}
    return [".".join(path) for path, value in values.items() if isinstance(value, str) and OUR_URL.fullmatch(value)]


def drop_url(text: str, path: tuple[str, ...], now: str) -> Edit:
    return Edit(re.sub(rf'(?m)^[^\n={{]*=\s*["\']{re.escape(now)}["\'][^\n]*\n', "", text, count=1), {path: GONE})


def set_flag(text: str, wanted: bool) -> Edit:  # noqa: FBT001 - it is the value
    """The user's own word on hooks, where a line or an inline table has one already."""
    word = "true" if wanted else "false"
    return Edit(re.sub(r"\bhooks = (true|false)", f"hooks = {word}", text, count=1), {("features", "hooks"): wanted})


def switch_hook_off(text: str, key: str) -> Edit:
    """Switch a hook off as Codex's TUI does."""
    header = f'[hooks.state."{key}"]'
    newline = "\r\n" if "\r\n" in text else "\n"
    off = {("hooks", "state", key, "enabled"): False}
    return Edit(text.replace(header, f"{header}{newline}enabled = false", 1), off)


def reformatted(text: str, way: str) -> str:
    """Write the same values in another form."""
    bare = text.removeprefix(BOM).replace("\r\n", "\n")
    return {
        "crlf": bare.replace("\n", "\r\n"),
        "lf": bare,
        "bom": BOM + bare,
        "comment": f"# look at me\n{bare}",
        "blank lines": bare.replace("\n[", "\n\n["),
        "no end": bare.rstrip("\n"),
    }[way]


BROKEN_CONFIGS = (b"[broken", b"\xff\xfe\x00", b'model = "a"\nmodel = "b"\n')
BROKEN_HOOKS = (b'{"hooks": {', b"\xff\xfe\x00", b"[]x")

# --- hooks.json --------------------------------------------------------------------------------------------------

THEIR_HOOKS = """\
{
    "hooks": {
        "SessionStart": [
            {"hooks": [{"type": "command", "command": "greet"}]}
        ]
    }
}
"""
TOMBSTONED = (
    '{"hooks": {"SessionStart": [{"hooks": []}, '
    '{"matcher": "resume", "hooks": [{"type": "command", "command": "back"}]}]}}'
)
HOOKS = {"none": None, "theirs": THEIR_HOOKS, "tombstoned": TOMBSTONED}


def their_group(number: int) -> dict[str, Any]:
    return {"hooks": [{"type": "command", "command": f"tool {number}"}]}


def hooks_doc(data: bytes | None) -> dict[str, Any]:
    """Return the document in hooks.json; an empty one where it does not parse."""
    try:
        return json.loads(data) if data else {}
    except ValueError:
        return {}


def session_start(doc: dict[str, Any]) -> list[Any]:
    """The groups, put in where there are none."""
    groups: list[Any] = doc.setdefault("hooks", {}).setdefault("SessionStart", [])
    return groups


def positions(data: bytes | None) -> dict[str, tuple[int, int]]:
    """Return the position of each handler of others, on which its trust depends."""
    groups = hooks_doc(data).get("hooks", {}).get("SessionStart", [])
    return {
        handler["command"]: (at, place)
        for at, group in enumerate(groups)
        for place, handler in enumerate(group.get("hooks", []))
        if handler.get("command") and OUR_COMMAND not in handler["command"]
    }


def theirs(data: bytes | None) -> dict[str, Any]:
    """hooks.json without our hook and without what keeps places: what belongs to others."""
    doc = copy.deepcopy(hooks_doc(data))
    events = doc.get("hooks", {})
    for name, groups in list(events.items()):
        for group in groups:
            group["hooks"] = [one for one in group.get("hooks", []) if one.get("command") and not _ours(one)]
        events[name] = [group for group in groups if group["hooks"]]
        if not events[name]:
            del events[name]
    return {name: value for name, value in doc.items() if value}


def has_ours(data: bytes | None) -> bool:
    return OUR_COMMAND.encode() in (data or b"")


def _ours(handler: Mapping[str, Any]) -> bool:
    return OUR_COMMAND in str(handler.get("command"))
