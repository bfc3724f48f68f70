"""The session of a request, by the head that Codex sends."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.exchange.request_plan import session_of

NAMES = (b"thread-id", b"thread_id")  # since 0.140, and before


@given(st.uuids(), st.sampled_from(NAMES))
def test_the_thread_is_the_session(thread: uuid.UUID, name: bytes) -> None:
    """Each spelling of the field's name counts, and no other field does."""
    fields = {name: str(thread).encode(), b"session-id": b"another", b"x-codex-window-id": b"another"}
    assert str(thread) == session_of(fields)


@given(st.binary() | st.from_regex(rb"[0-9A-Za-z]*[^0-9A-Za-z-][0-9A-Za-z]*", fullmatch=True), st.sampled_from(NAMES))
def test_nothing_but_an_id_reaches_the_log(value: bytes, name: bytes) -> None:
    """A value that is no id, such as a sentence or a key with signs in it, is no session."""
    session = session_of({name: value})
    assert session is None or (session.encode() == value and len(value) <= 64 and session.replace("-", "").isalnum())
