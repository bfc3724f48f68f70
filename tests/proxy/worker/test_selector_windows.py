"""The selector of Windows: any number of sockets, and the same events by both of its ways."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

if sys.platform == "win32":
    from selectors import EVENT_READ, EVENT_WRITE

    from cfp.proxy.worker._selector_windows import MOST_SELECTED, Selector
else:
    pytest.skip("other systems have selectors without a limit", allow_module_level=True)

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@pytest.mark.parametrize("most_selected", [MOST_SELECTED, 0])
class TestBothWays:
    def test_readiness(self, pair: Pair, most_selected: int) -> None:
        """A socket is ready for what was asked and holds: to write at once, to read when data or an end has come."""
        near, far = pair
        with Selector(most_selected) as selector:
            key = selector.register(near, EVENT_READ | EVENT_WRITE)
            assert selector.select(0) == [(key, EVENT_WRITE)]
            key = selector.modify(near, EVENT_READ)
            assert selector.select(0) == []
            far.sendall(b"x")
            assert selector.select(5) == [(key, EVENT_READ)]
            near.recv(1)
            assert selector.select(0.01) == []
            far.close()
            assert selector.select(None) == [(key, EVENT_READ)]

    def test_a_refused_connection_is_an_event_of_its_writer(self, most_selected: int) -> None:
        """A connection that nobody accepts ends the wait for it, and not by a time limit."""
        with socket.socket() as unused, socket.socket() as client, Selector(most_selected) as selector:
            unused.bind(("127.0.0.1", 0))
            client.setblocking(False)
            client.connect_ex(unused.getsockname())
            key = selector.register(client, EVENT_WRITE)
            assert selector.select(5) == [(key, EVENT_WRITE)]
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_more_sockets_than_select_takes() -> None:
    """With more sockets than `select` takes, each is still seen, and those that left are no longer asked."""
    with ExitStack() as opened, Selector() as selector:
        pairs = [opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(520)]
        for each in pairs:
            each.bind(("127.0.0.1", 0))
            selector.register(each, EVENT_READ)
        for at in (0, 300, 519):
            pairs[at].sendto(b"x", pairs[at].getsockname())
        ready = {key.fileobj for key, _ in selector.select(5)}
        while len(ready) < 3:
            ready |= {key.fileobj for key, _ in selector.select(5)}
        assert ready == {pairs[0], pairs[300], pairs[519]}
        selector.unregister(pairs[300])
        assert {key.fileobj for key, _ in selector.select(5)} == {pairs[0], pairs[519]}
