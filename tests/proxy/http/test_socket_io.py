"""Pieces written to a transport."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from cfp.proxy.http.socket_io import write

LARGE = bytes(200_000)


class Noting(asyncio.WriteTransport):
    """Records writes; `writelines` has no back-pressure in CPython 3.12.0 to 3.12.8, 3.13.0 and 3.13.1."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self.written.append(data)

    def writelines(self, list_of_data: object) -> None:
        raise NotImplementedError


@given(st.lists(st.one_of(st.binary(max_size=20), st.just(LARGE)), min_size=1, max_size=5))
def test_pieces_are_written_in_order_and_a_large_last_one_is_not_copied(parts: list[bytes]) -> None:
    """Small pieces are written with one call, and so with one system call."""
    transport = Noting()
    write(transport, parts)
    assert b"".join(transport.written) == b"".join(parts)
    if parts[-1] is LARGE:
        assert transport.written[-1] is LARGE
        assert len(transport.written) <= 2
    else:
        assert len(transport.written) <= 1
