"""The one rule of which keys can be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.keys.bearer import bearer


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sk-abc", b"Bearer sk-abc"),
        (" sk-abc\r\n", b"Bearer sk-abc"),
        ('a/b+c==~!{}"', b'Bearer a/b+c==~!{}"'),
        ("sk abc", None),
        ("sk\tabc", None),
        ("sk\nabc", None),
        ("sk-\u00e9", None),
        ("sk\x7f", None),
        ("sk\udc80", None),
        ("", None),
        (" \n", None),
    ],
)
def test_a_key_is_visible_ascii_without_spaces(key: str, expected: bytes | None) -> None:
    """White space around it is dropped; inside it there is none."""
    assert bearer(key) == expected


@given(st.text())
def test_a_key_is_sent_as_it_is_or_not_at_all(key: str) -> None:
    """The value is the key without the white space around it, and no other character is changed or dropped."""
    value = bearer(key)
    assert value is None or value.decode("ascii") == f"Bearer {key.strip()}"
