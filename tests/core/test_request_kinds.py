"""The kind of a model request, by Codex's own markers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.traffic.kinds import MEMORY, METADATA, SUBAGENT, Kind, kind_of
from tests.kinds import MARKERS


@pytest.mark.parametrize(("kind", "markers"), [(kind, one) for kind, several in MARKERS.items() for one in several])
def test_codexs_markers_tell_the_kind(kind: Kind, markers: dict[bytes, bytes]) -> None:
    """Each kind has its markers; the path that only compacts needs none."""
    assert kind_of(markers) is kind
    assert kind_of(markers, compacts=True) is Kind.COMPACT


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40)), st.text(max_size=40))
def test_the_users_words_are_no_markers(extra: dict[str, str], folder: str) -> None:
    """Text in the metadata, such as a folder's name, is never taken for a member."""
    forged = '","request_kind":"compaction","thread_source":"thread_title'
    texts = {f"x-{name}": value for name, value in extra.items()}
    metadata = json.dumps({**texts, "workspaces": folder + forged, "request_kind": "turn"}, separators=(",", ":"))
    assert kind_of({METADATA: metadata.encode()}) is Kind.TURN


@given(st.dictionaries(st.sampled_from([SUBAGENT, METADATA, MEMORY]), st.binary(max_size=60)))
def test_any_bytes_have_a_kind(markers: dict[bytes, bytes]) -> None:
    """Whatever a client sends in these fields, there is a kind, and nothing fails."""
    assert kind_of(markers) in Kind
