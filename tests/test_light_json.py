"""The hook's own way to read JSON says what the standard library's says."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cfp.light_json import loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.sampled_from(["", " ", "\r\n\t "]), st.booleans())
def test_what_json_writes_is_read(value: object, space: str, escaped: object) -> None:
    """Every value, with any space around it, NaN and surrogates included."""
    text = space + json.dumps(value, ensure_ascii=bool(escaped)) + space
    assert repr(json.loads(text)) == repr(loads(text))


@given(st.text(st.sampled_from('[]{}",:0123.eE+- \n\\utrfalsn\ufeff\x00x')))
@example("")
@example(" ")
@example("{} {}")
@example("\ufeff{}")
@example('"\n"')
def test_what_json_refuses_is_refused(text: str) -> None:
    """By a ValueError, whatever the text."""
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            loads(text)
    else:
        assert repr(expected) == repr(loads(text))


def test_what_is_nested_too_deeply_is_a_value_error() -> None:
    """The hook then takes the long way; a RecursionError would end it."""
    with pytest.raises(ValueError, match="not JSON"):
        loads("[" * 1_000_000)
