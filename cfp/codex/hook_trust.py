"""The key and the hash under which Codex remembers that a hook is trusted (Codex 0.130 and later).

The real Codex confirms both in tests/codex/test_real_codex.py.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cfp.codex.hooks_document import Position, find_ours
from journal.values import Json, KeyPath

_DEFAULT_TIMEOUT = 600


class TrustStatus(enum.StrEnum):
    """Codex's verdict on a hook. It runs trusted hooks only."""

    TRUSTED = "trusted"
    MODIFIED = "modified"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookTrust:
    """One hook of ours and its trust entry in config.toml.

    key           its name under `hooks.state`
    current_hash  the hash that Codex must have recorded for the hook to run
    trusted_hash  the recorded hash; None without one
    enabled       False where the user switched it off in the TUI
    """

    position: Position
    key: str
    current_hash: str
    trusted_hash: str | None
    enabled: bool
    trust_status: TrustStatus

    @property
    def runs(self) -> bool:
        return self.enabled and self.trust_status is TrustStatus.TRUSTED

    def to_json(self) -> dict[str, Json]:
        """Return the object that `status` shows."""
        return {
            "key": self.key,
            "trusted_hash": self.trusted_hash,
            "enabled": self.enabled,
            "trust_status": str(self.trust_status),
        }


def trust_key(hooks_path: str, group: int, handler: int) -> str:
    """Name a SessionStart hook; `hooks_path` as Codex spells it (see layout.Layout.home)."""
    return f"{hooks_path}:session_start:{group}:{handler}"


STATE_KEYS: Final = ("trusted_hash", "enabled")  # of a hook's table in config.toml


def hook_exists(hooks_doc: Mapping[str, Json], key: str, hooks_path: str) -> bool:
    """Whether there is a hook, of ours or of others, at the position that a trust key names."""
    groups = hooks_doc.get("hooks", {}).get("SessionStart", [])
    return any(
        trust_key(hooks_path, at, place) == key
        for at, group in enumerate(groups)
        for place in range(len(group.get("hooks", [])))
    )


def state_path(key: str, *leaf: str) -> KeyPath:
    """Return where config.toml keeps the trust of a hook."""
    return ("hooks", "state", key, *leaf)


def trusted_hash(handler: Mapping[str, Json], matcher: str | None, *, windows: bool = False) -> str:
    """Hash a command handler of SessionStart as Codex 0.169 does.

    Absent and null are the same; a timeout is at least 1 second; `commandWindows` counts on Windows only. Keys
    that Codex does not know do not count.
    """
    effective = {
        "async": bool(handler.get("async")),
        "command": _command(handler, windows=windows),
        "timeout": _timeout(handler.get("timeout")),
        "type": "command",
    }
    for name in ("statusMessage", "additionalContextLimit"):
        if handler.get(name) is not None:
            effective[name] = handler[name]
    identity: dict[str, Json] = {"event_name": "session_start", "hooks": [effective]}
    if matcher is not None:
        identity["matcher"] = matcher
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def status(
    config_doc: Mapping[str, Json], hooks_doc: Mapping[str, Json], hooks_path: str, *, windows: bool = False
) -> tuple[HookTrust, ...]:
    """Judge each hook of ours in hooks.json by the state that config.toml records."""
    return tuple(
        _judge(config_doc, hooks_doc, hooks_path, position, windows=windows) for position in find_ours(hooks_doc)
    )


def _judge(
    config_doc: Mapping[str, Json],
    hooks_doc: Mapping[str, Json],
    hooks_path: str,
    position: Position,
    *,
    windows: bool,
) -> HookTrust:
    key = trust_key(hooks_path, position.group, position.handler)
    handler = hooks_doc["hooks"]["SessionStart"][position.group]["hooks"][position.handler]
    current = trusted_hash(handler, position.matcher, windows=windows)
    state: Json = config_doc
    for name in state_path(key):
        state = state.get(name) if isinstance(state, Mapping) else None
    state = state if isinstance(state, Mapping) else {}
    recorded = state.get("trusted_hash")
    recorded = recorded if isinstance(recorded, str) else None
    trust = TrustStatus.MODIFIED
    if recorded is None:
        trust = TrustStatus.UNTRUSTED
    elif recorded == current:
        trust = TrustStatus.TRUSTED
    return HookTrust(
        position=position,
        key=key,
        current_hash=current,
        trusted_hash=recorded,
        enabled=state.get("enabled") is not False,
        trust_status=trust,
    )


def _command(handler: Mapping[str, Json], *, windows: bool) -> str:
    names = ("commandWindows", "command_windows", "command") if windows else ("command",)
    return next(str(handler[name]) for name in names if handler.get(name) is not None)


def _timeout(seconds: Json) -> int:
    return max(1, _DEFAULT_TIMEOUT if seconds is None else int(seconds))
