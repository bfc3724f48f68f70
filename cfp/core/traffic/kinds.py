"""The kind of a model request, by the markers that Codex itself puts on it.

Measured with the real CLI 0.171; the same markers are in the head and in the body's `client_metadata`:

    turn      no marker
    subagent  x-openai-subagent: collab_spawn, and any name that is not one of the others
    review    x-openai-subagent: review
    compact   request_kind "compaction" in x-codex-turn-metadata; the path /responses/compact (0.98 to 0.130)
    title     thread_source "thread_title" in x-codex-turn-metadata
    memory    x-openai-memgen-request: true, x-openai-subagent: memory_consolidation
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final

SUBAGENT: Final = b"x-openai-subagent"
METADATA: Final = b"x-codex-turn-metadata"
MEMORY: Final = b"x-openai-memgen-request"

# A quote inside of a JSON string has a backslash before it, so that no text in the metadata can look like a member.
_MEMBER: Final = re.compile(rb'"(request_kind|thread_source|subagent_kind)"\s*:\s*"([a-z_:]{1,64})"')


class Kind(enum.StrEnum):
    """The kinds of model requests; a closed set of the request log."""

    TURN = "turn"
    SUBAGENT = "subagent"
    REVIEW = "review"
    COMPACT = "compact"
    TITLE = "title"
    MEMORY = "memory"


_SUBAGENTS: Final = {
    b"review": Kind.REVIEW,
    b"compact": Kind.COMPACT,
    b"memory_consolidation": Kind.MEMORY,
    b"thread_title": Kind.TITLE,
}


def kind_of(markers: Mapping[bytes, bytes], *, compacts: bool = False) -> Kind:
    """Return the kind of a model request.

    markers   header fields by their names in lower case
    compacts  the request is for the path that only compacts
    """
    if compacts:
        return Kind.COMPACT
    members = dict(_MEMBER.findall(markers.get(METADATA, b"")))
    if members.get(b"request_kind") == b"compaction":
        return Kind.COMPACT
    if members.get(b"thread_source") == b"thread_title":
        return Kind.TITLE
    subagent = markers.get(SUBAGENT, b"") or members.get(b"subagent_kind", b"")
    if subagent:
        return _SUBAGENTS.get(subagent, Kind.SUBAGENT)
    return Kind.MEMORY if markers.get(MEMORY) == b"true" else Kind.TURN
