"""The JSON of an answer: UTF-8, and nothing in it that moves a terminal's text or hides."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from cfp.result import Result, json_text, render


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_it_says_the_same(value: object) -> None:
    """Parsed again, each value is itself."""
    assert value == json.loads(json_text(value))


def test_no_character_moves_or_hides_text() -> None:
    """Of all characters: controls and formats are escaped but for emoji's joiners; letters of every script stay."""
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000))))
    text = render("x", Result(status="ok", fields={"every": every}))
    assert every == json.loads(text)["every"]
    left = {sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"}} - {"\n"}
    assert {"\u00ad"} >= {
        sign for sign in left if unicodedata.bidirectional(sign) in {"LRE", "RLE", "LRO", "RLO", "PDF"}
    }
    assert not left & set("\x7f\x9b\u202e\u2066\u200f\ufeff\u2028")
    assert "Ünïcode 漢字 עברית العربية" in json_text("Ünïcode 漢字 עברית العربية")
