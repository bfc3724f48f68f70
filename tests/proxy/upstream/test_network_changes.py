"""A network that changes under open connections, without a reset: on two machines with a cable between them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from wsproto.frame_protocol import Opcode

from cfp.proxy.config import Limits
from cfp.proxy.upstream.path import is_own_address, source_address
from tests.network import ELSEWHERE, HERE, THERE, Network, on_two_machines, with_namespaces
from tests.proxy.exchange.test_websocket_tunnel import (
    CREATE,
    connected,
    say_completed,
    serving,
)
from tests.proxy.support import Call, Client, answer, upstream, worker
from tests.proxy.worker.test_command_line import process, wait_for_pid_file
from tests.systems import posix_module

resource = posix_module("resource")

OK = b"HTTP/1.1 200 OK"
BROKE_OFF = (b"HTTP/1.1 502 Bad Gateway", "upstream_broke_off")
SOON = Limits(path_check_seconds=0, unreachable_seconds=6)
NO_ROUTE = Limits(path_check_seconds=0, outage_seconds=20)

pytestmark = with_namespaces


async def ask(client: Client) -> bytes:
    client.post()
    return (await client.response()).start


@on_two_machines
async def test_a_changed_address_empties_the_pool(network: Network, tmp_path: Path) -> None:
    """A request behind the change goes out on a new connection, at once and once; the old one is not written to."""
    async with upstream(sock=network.listen()) as double, worker(tmp_path, double.base, limits=SOON) as running:
        client = await running.client()
        assert [await ask(client), await ask(client)] == [OK, OK]
        assert double.connections == 1
        network.move()
        async with asyncio.timeout(2):
            assert await ask(client) == OK
        assert (double.connections, len(double.requests)) == (2, 3)
        await client.close()


@on_two_machines
async def test_a_request_under_way_fails_when_its_address_has_gone(network: Network, tmp_path: Path) -> None:
    """At the second sweep, and is not repeated: the provider may have run it. The next one goes out anew."""

    async def script(call: Call) -> None:
        if double.connections == 1:
            await call.reader.read()
        await call.send(answer())

    async with upstream(script, sock=network.listen()) as double, worker(tmp_path, double.base) as running:
        client = await running.client()
        client.post()
        await double.arrived.get()
        running.worker.sweep(0)
        network.move()
        running.worker.sweep(0)
        running.worker.sweep(0)
        assert await client.error() == BROKE_OFF
        assert len(double.requests) == 1
        assert await ask(client) == OK
        await client.close()


@on_two_machines
async def test_a_second_network_cuts_nothing(network: Network, tmp_path: Path) -> None:
    """A running response goes on as long as its own address works; the next request takes the new way."""
    release = asyncio.Event()
    sources: list[str] = []

    async def script(call: Call) -> None:
        sources.append(call.writer.get_extra_info("peername")[0])
        await release.wait()
        await call.send(answer())

    async with (
        upstream(script, sock=network.listen()) as double,
        worker(tmp_path, double.base, limits=SOON) as running,
    ):
        client = await running.client()
        client.post()
        await double.arrived.get()
        network.join_second()
        for _ in range(3):
            running.worker.sweep(0)
        release.set()
        assert (await client.response()).start == OK
        assert await ask(client) == OK
        assert sources == [HERE, ELSEWHERE]
        await client.close()


@on_two_machines
async def test_without_a_network_a_request_waits(network: Network, tmp_path: Path) -> None:
    """No kept connection is written to while there is no route; the request goes out when it is back."""
    async with upstream(sock=network.listen()) as double, worker(tmp_path, double.base, limits=NO_ROUTE) as running:
        client = await running.client()
        assert await ask(client) == OK
        network.unplug()
        client.post()
        await asyncio.sleep(0.5)
        network.plug()
        assert (await client.response()).start == OK
        assert len(double.requests) == 2
        await client.close()


@on_two_machines
async def test_a_dead_path_is_noticed(network: Network, tmp_path: Path) -> None:
    """The address is the same, and packets vanish: who waits for a response, and who sends, hears it in seconds.

    The request is the client's to repeat; the tunnel ends, and so Codex connects again.
    """

    async def script(call: Call) -> None:
        if call.request.get(b"upgrade"):
            await serving(say_completed)(call)
        elif b"wait" in call.request.start:
            await call.reader.read()
        await call.send(answer())

    async with (
        upstream(script, sock=network.listen()) as double,
        worker(tmp_path, double.base, limits=SOON) as running,
    ):
        waiting, sending = await running.client(), await running.client()
        tunnel, far = await connected(running)
        waiting.post(path=b"/v1/wait")
        for _ in range(2):
            await double.arrived.get()
        assert await ask(sending) == OK  # leaves a connection in the pool
        network.cut()
        sending.post()
        await far.send(CREATE)
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(12):
            for client in (waiting, sending):
                assert await client.error() == BROKE_OFF
            with pytest.raises(EOFError):
                await far.receive()
        assert asyncio.get_running_loop().time() - began > 3
        assert len(double.requests) == 3
        for client in (waiting, sending, tunnel):
            await client.close()


@on_two_machines
async def test_an_idle_tunnel_is_left_where_the_address_has_changed(network: Network, tmp_path: Path) -> None:
    """A turn that would go out on it is logged as unanswered: the client sees a close, and a new tunnel works."""
    async with (
        upstream(serving(say_completed), sock=network.listen()) as double,
        worker(tmp_path, double.base, limits=SOON) as running,
    ):
        client, far = await connected(running)
        await far.send(CREATE)
        assert [(await far.receive())["type"] for _ in range(2)] == ["response.created", "response.completed"]
        network.move()
        await far.send(CREATE)
        async with asyncio.timeout(2):
            with pytest.raises(EOFError):
                await far.receive()
        await client.close()
        client, far = await connected(running)
        await far.send(CREATE)
        assert (await far.receive())["type"] == "response.created"
        assert double.connections == 2
        await client.close()
        await double.gone.get()
    endings = [line["ending"] for line in running.log() if line["model"]]
    assert endings == ["completed", "unanswered", "left"]


@on_two_machines
async def test_a_sweep_closes_an_idle_tunnel_of_another_network(network: Network, tmp_path: Path) -> None:
    """The client gets Close 1001, going away, before it has a turn."""
    async with (
        upstream(serving(say_completed), sock=network.listen()) as double,
        worker(tmp_path, double.base) as running,
    ):
        client, far = await connected(running)
        running.worker.sweep(0)
        network.move()
        running.worker.sweep(0)
        assert (await far.receive())[0] is Opcode.CLOSE
        await client.close()


@on_two_machines
async def test_a_stopped_worker_wakes_in_another_network(network: Network, tmp_path: Path) -> None:
    """A request that comes before any sweep is served at once, as after a laptop's sleep."""
    async with upstream(sock=network.listen()) as double:
        with process(tmp_path, "--upstream-base", double.base) as running:
            await asyncio.to_thread(wait_for_pid_file, running, tmp_path)
            client = Client(running.port, *(await asyncio.open_connection("127.0.0.1", running.port)))
            assert await ask(client) == OK
            await asyncio.to_thread(running.health)  # behind it the connection is in the pool
            running.popen.send_signal(signal.SIGSTOP)
            network.move()
            await asyncio.sleep(2.2)  # a shorter rest is no sleep
            client.post()
            running.popen.send_signal(signal.SIGCONT)
            async with asyncio.timeout(2):
                assert (await client.response()).start == OK
            assert len(double.requests) == 2
            await client.close()


@on_two_machines
async def test_silence_is_no_death(network: Network, tmp_path: Path) -> None:
    """An upstream whose kernel answers may be silent for much longer than a dead one is waited for."""

    async def script(call: Call) -> None:
        await asyncio.sleep(5)
        await call.send(answer())

    async with (
        upstream(script, sock=network.listen()) as double,
        worker(tmp_path, double.base, limits=Limits(unreachable_seconds=2)) as running,
    ):
        client = await running.client()
        assert await ask(client) == OK
        await client.close()


def test_without_a_descriptor_no_address_is_called_gone() -> None:
    """A process that has used up its descriptors cuts no running response for that."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        answers = source_address(("127.0.0.1", 9)), is_own_address(("127.0.0.1", 9))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert answers == (None, True)


@on_two_machines
async def test_addresses_of_a_machine(network: Network) -> None:
    """The kernel is asked for the way out, and nothing is sent."""
    peer = (THERE, 9)
    assert source_address(peer) == HERE
    assert (is_own_address((HERE, 1)), is_own_address((ELSEWHERE, 1))) == (True, False)
    network.move()
    assert source_address(peer) == ELSEWHERE
    assert (is_own_address((HERE, 1)), is_own_address((ELSEWHERE, 1))) == (False, True)
    network.unplug()
    assert source_address(peer) is None
