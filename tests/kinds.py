"""The markers that Codex 0.171 puts on each kind of model request, without the ids."""

from __future__ import annotations

from cfp.core.traffic.kinds import MEMORY, METADATA, SUBAGENT, Kind

# Measured, but for title and memory, whose names stand in the program itself.
MARKERS: dict[Kind, list[dict[bytes, bytes]]] = {
    Kind.TURN: [
        {},
        {METADATA: b'{"agent_name":"/root","request_kind":"turn","thread_source":"user"}'},
        {METADATA: b'{"agent_name":"/root","request_kind":"prewarm","thread_source":"user"}'},
    ],
    Kind.SUBAGENT: [
        {
            SUBAGENT: b"collab_spawn",
            METADATA: b'{"request_kind":"turn","subagent_kind":"thread_spawn","thread_source":"subagent"}',
        },
        {SUBAGENT: b"collab_spawn"},
        {SUBAGENT: b"a-name-of-tomorrow"},
        {METADATA: b'{"request_kind":"turn","subagent_kind":"thread_spawn","thread_source":"subagent"}'},
    ],
    Kind.REVIEW: [
        {
            SUBAGENT: b"review",
            METADATA: b'{"request_kind":"turn","subagent_kind":"review","thread_source":"subagent"}',
        },
        {SUBAGENT: b"review"},
    ],
    Kind.COMPACT: [
        {METADATA: b'{"request_kind":"compaction","thread_source":"user"}'},
        {SUBAGENT: b"collab_spawn", METADATA: b'{"request_kind" : "compaction"}'},
        {SUBAGENT: b"compact"},
    ],
    Kind.TITLE: [{METADATA: b'{"request_kind":"turn","thread_source":"thread_title"}'}],
    Kind.MEMORY: [{SUBAGENT: b"memory_consolidation"}, {MEMORY: b"true"}],
}
