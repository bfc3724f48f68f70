"""The header fields of a turn of `codex exec`, by its version: some relays admit Codex's own clients only."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from dataclasses import dataclass
from typing import Final, NamedTuple

NEWEST_KNOWN: Final = (0, 171, 0)
_NAME: Final = "codex_exec"
_SYSTEMS: Final = {"Darwin": "Mac OS"}  # in Codex's words
_MACHINES: Final = {"AMD64": "x86_64"}


class _Wording(NamedTuple):
    """The fields that differ by version; None for one that is not sent."""

    session: str
    thread: str
    beta_features: str
    accept_encoding: str | None


# As the real CLIs sent them (tests/end_to_end/test_codex_client.py). A version between two has the older ones.
_WORDINGS: Final = {
    (0, 171): _Wording("session-id", "thread-id", "remote_compaction_v2", "zstd,gzip"),
    (0, 150): _Wording("session-id", "thread-id", "remote_compaction_v2", None),
    (0, 0): _Wording("session_id", "thread_id", "terminal_resize_reflow", None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexClient:
    """One installed Codex.

    built_in  the requests go to the provider that Codex has built in, to which it also names its version
    """

    version: tuple[int, ...] = NEWEST_KNOWN
    built_in: bool = False

    def fields(self) -> list[tuple[str, str]]:
        """Return the fields of one more turn, in a session of its own, without those about the key and the body."""
        version, wording = ".".join(map(str, self.version)), self._wording
        session, turn = _identifier(), _identifier()
        metadata = {"session_id": session, "thread_id": session, "turn_id": turn, "request_kind": "turn"}
        fields = {
            "version": version if self.built_in else None,
            "x-codex-beta-features": wording.beta_features,
            "x-codex-window-id": f"{session}:0",
            "x-codex-turn-metadata": json.dumps(metadata, separators=(",", ":")),
            "x-client-request-id": session,
            wording.session: session,
            wording.thread: session,
            "accept": "text/event-stream",
            "content-type": "application/json",
            "originator": _NAME,
            "user-agent": f"{_NAME}/{version} ({_system()}) unknown ({_NAME}; {version})",
            "accept-encoding": wording.accept_encoding,
        }
        return [(name, value) for name, value in fields.items() if value is not None]

    @property
    def _wording(self) -> _Wording:
        return next(wording for since, wording in _WORDINGS.items() if self.version >= since)


def _system() -> str:
    """Return system, version and machine in Codex's form, `Debian 12.0.0; x86_64`."""
    try:
        release = platform.freedesktop_os_release()
        name, version = release["NAME"].split()[0], release.get("VERSION_ID", "")
    except OSError:
        name, version = platform.system(), platform.mac_ver()[0] or platform.version()
    numbers = [part for part in version.split(".") if part.isdecimal()][:3]
    machine = platform.machine()
    return f"{_SYSTEMS.get(name, name)} {'.'.join([*numbers, '0', '0', '0'][:3])}; {_MACHINES.get(machine, machine)}"


def _identifier() -> str:
    """Return a UUID of version 7 (RFC 9562 5.7), as Codex makes them."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=number & ~(0b11 << 62) | 0b10 << 62))
