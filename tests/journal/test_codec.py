"""The encoding of a log: a parser returns only records that were written, whatever happened to the bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journal.codec import HEADER_SIZE, frame, frames, parse
from journal.values import Json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
records = st.lists(
    st.dictionaries(st.text(max_size=4).filter(lambda key: key != "q"), json_values, max_size=4), max_size=5
)
SMALL = [{"t": "begin", "v": 1}, {"t": "intent", "path": "/ü"}, {"t": "prepared", "n": 1}, {"t": "commit"}]


@given(records)
def test_round_trip(written: list[Json]) -> None:
    """Any records are parsed again, and the length covers every byte."""
    data = frames(written)
    parsed = parse(data)
    assert tuple(written) == parsed.records
    assert len(data) == parsed.length


@given(records, st.binary(max_size=64))
def test_a_tail_changes_nothing(written: list[Json], tail: bytes) -> None:
    """Bytes after the last frame are not parsed unless they are a valid frame; zeros are reserved space."""
    data = frames(written)
    for end in (tail, bytes(len(tail))):
        assert tuple(written) == parse(data + end).records[: len(written)]
    assert tuple(written) == parse(data + bytes(100)).records


def test_every_truncation_leaves_a_prefix() -> None:
    """A log cut at any byte yields its whole records, and no other."""
    data = frames(SMALL)
    ends = [len(frames(SMALL[:count])) for count in range(len(SMALL) + 1)]
    for cut in range(len(data) + 1):
        whole = max(count for count, end in enumerate(ends) if end <= cut)
        parsed = parse(data[:cut])
        assert tuple(SMALL[:whole]) == parsed.records
        assert ends[whole] == parsed.length


def test_every_flipped_bit_is_detected() -> None:
    """A log with one wrong bit yields the records before that frame, and never a changed one."""
    data = frames(SMALL)
    ends = [len(frames(SMALL[:count])) for count in range(len(SMALL) + 1)]
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        before = max(count for count, end in enumerate(ends) if end <= bit // 8)
        assert tuple(SMALL[:before]) == parse(bytes(broken)).records, bit


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed(data: bytes) -> None:
    """Parsing never raises, and its length is never over the input's."""
    parsed = parse(data)
    assert parsed.length <= len(data)


def test_a_gap_ends_the_log() -> None:
    """A valid frame with another number is not parsed: it may be of an earlier use of the disk blocks."""
    assert ({"t": "a"},) == parse(frame(0, {"t": "a"}) + frame(2, {"t": "c"})).records
    assert () == parse(frame(1, {"t": "b"})).records


def test_a_frame_is_one_line_of_text() -> None:
    """A log is readable in an emergency: one line for each record, checksum and length first."""
    line = frame(7, {"t": "x", "path": "line\nbreak"})
    assert 1 == line.count(b"\n")
    assert b'{"q":7,"t":"x"' == line[HEADER_SIZE:][:14]
    assert line.isascii()
