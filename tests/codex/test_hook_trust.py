"""Keys and hashes of trusted hooks. That they are Codex's own is shown in test_real_codex.py."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from cfp.codex import config_toml, hooks_document
from cfp.codex.hook_trust import TrustStatus, status, trust_key, trusted_hash
from cfp.codex.hooks_document import group
from tests.strategies import OUR_COMMAND

HOOKS_PATH = "/home/a/.codex/hooks.json"
HOMES = Path(__file__).parents[2] / "fixtures" / "codex_home"
BASE: dict[str, Any] = {"type": "command", "command": "x", "timeout": 10}


def test_the_hashed_text() -> None:
    """Compact, sorted, unescaped JSON of the normalised hook."""
    text = (
        '{"event_name":"session_start","hooks":[{"additionalContextLimit":5,"async":true,"command":"é \\"q\\"",'
        '"statusMessage":"s","timeout":1,"type":"command"}],"matcher":""}'
    )
    handler = {
        "type": "command", "command": 'é "q"', "timeout": 0, "async": True, "statusMessage": "s",
        "additionalContextLimit": 5,
    }  # fmt: skip
    assert trusted_hash(handler, "") == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "handler",
    [
        {**BASE, "async": False},
        {**BASE, "statusMessage": None, "additionalContextLimit": None},
        {**BASE, "unknown": 1, "commandWindows": "other"},
    ],
)
def test_what_does_not_count(handler: dict[str, Any]) -> None:
    """Defaults spelled out, nulls, unknown keys and the Windows command do not change the hash on Linux."""
    assert trusted_hash(handler, None) == trusted_hash(BASE, None)


@pytest.mark.parametrize(
    ("handler", "matcher"),
    [
        ({**BASE, "command": "y"}, None),
        ({**BASE, "timeout": 11}, None),
        ({**BASE, "async": True}, None),
        ({**BASE, "statusMessage": ""}, None),
        ({**BASE, "additionalContextLimit": 0}, None),
        (BASE, ""),
        (BASE, "startup"),
    ],
)
def test_what_counts(handler: dict[str, Any], matcher: str | None) -> None:
    """Every other field counts."""
    assert trusted_hash(handler, matcher) != trusted_hash(BASE, None)


@pytest.mark.parametrize(("seconds", "counted"), [(None, 600), (0, 1), (1, 1)])
def test_timeouts(seconds: int | None, counted: int) -> None:
    """No timeout is 600 seconds, and 0 is 1."""
    assert trusted_hash({**BASE, "timeout": seconds}, None) == trusted_hash({**BASE, "timeout": counted}, None)
    without = {name: value for name, value in BASE.items() if name != "timeout"}
    assert trusted_hash(without, None) == trusted_hash({**BASE, "timeout": 600}, None)


@pytest.mark.parametrize("name", ["commandWindows", "command_windows"])
def test_windows_runs_its_own_command(name: str) -> None:
    """There the Windows command, under either name, takes the place of the other."""
    handler = {**BASE, name: "w"}
    assert trusted_hash(handler, None, windows=True) == trusted_hash({**BASE, "command": "w"}, None)
    assert trusted_hash(BASE, None, windows=True) == trusted_hash(BASE, None)


@pytest.mark.parametrize(
    ("state", "enabled", "trust"),
    [
        (None, True, TrustStatus.UNTRUSTED),
        ({}, True, TrustStatus.UNTRUSTED),
        ({"trusted_hash": "right"}, True, TrustStatus.TRUSTED),
        ({"trusted_hash": "right", "enabled": True}, True, TrustStatus.TRUSTED),
        ({"trusted_hash": "right", "enabled": False}, False, TrustStatus.TRUSTED),
        ({"trusted_hash": "sha256:00"}, True, TrustStatus.MODIFIED),
        ({"trusted_hash": 5}, True, TrustStatus.UNTRUSTED),
        ("no table", True, TrustStatus.UNTRUSTED),
    ],
)
def test_status(state: Any, enabled: bool, trust: TrustStatus) -> None:  # noqa: FBT001  a column of the table
    """The record of our hook in config.toml decides whether Codex runs it."""
    theirs = {"hooks": [{"type": "command", "command": "theirs"}]}
    hooks = {"hooks": {"SessionStart": [theirs, group(OUR_COMMAND)]}}
    key = trust_key(HOOKS_PATH, 1, 0)
    right = trusted_hash(group(OUR_COMMAND)["hooks"][0], None)
    if isinstance(state, dict) and state.get("trusted_hash") == "right":
        state = {**state, "trusted_hash": right}
    config = {} if state is None else {"hooks": {"state": {key: state}}}
    (judged,) = status(config, hooks, HOOKS_PATH)
    recorded = state.get("trusted_hash") if isinstance(state, dict) else None
    assert judged.to_json() == {
        "key": key,
        "trusted_hash": recorded if isinstance(recorded, str) else None,
        "enabled": enabled,
        "trust_status": str(trust),
    }
    assert judged.current_hash == right
    assert judged.runs is (enabled and trust is TrustStatus.TRUSTED)


def test_a_predecessors_install_is_trusted() -> None:
    """The fixture home has the predecessor's hook, with its matcher in the hash."""
    home = HOMES / "predecessor_installed"
    config = config_toml.parse((home / "config.toml").read_bytes())
    hooks = hooks_document.parse((home / "hooks.json").read_bytes())
    assert [judged.runs for judged in status(config, hooks, HOOKS_PATH)] == [True]
