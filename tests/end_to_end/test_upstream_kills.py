"""kill -9 around each step of a switch to a saved upstream, and many switches under running streams."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cfp.commands import upstream
from cfp.commands.parsing import parsed
from cfp.demo.scripted_turns import ScriptedTurn
from cfp.host.home import Host
from tests.conftest import PROFILE
from tests.crash.sizes import size
from tests.end_to_end.harness import KEY, Machine, Ran, system
from tests.end_to_end.listeners import Listener
from tests.end_to_end.test_handover import BODY, HEADERS, ask_once, endless
from tests.end_to_end.test_handover_kills import DELAYS, EVERYDAY, settled, still_open
from tests.end_to_end.test_revival import until
from tests.numbers import Numbers

REPOSITORY = Path(__file__).parents[2]
SWITCHES = size("SWITCHES", 8, 1_000)
CLIENTS = 4
LENGTH = 20  # words of each stream
SECONDS_BETWEEN = 0.03  # so that a stream runs for about as long as two switches


@contextmanager
def two_upstreams(machine: Machine, *, between: float = 0.0) -> Iterator[dict[str, Listener]]:
    """Install, and save two upstreams with a key each; the first is in use."""
    text = " ".join(f"word-{number}" for number in range(LENGTH))
    reply = ScriptedTurn(text=text, between=between)
    machine.relay()
    machine.install()
    names = ("one", "two")
    with ExitStack() as stack:
        saved = {name: stack.enter_context(Listener(key=f"sk-of-upstream-{name}", default=reply)) for name in names}
        for name, listener in saved.items():
            flags = ("--upstream-base", listener.base_url, "--from-stdin")
            added = machine.cfp("upstream", "add", name, *flags, entered=f"sk-of-upstream-{name}\n")
            assert 0 == added.code, added.transcript
        assert 0 == machine.cfp("upstream", "use", "one", "--no-verify").code
        yield saved


def _active(machine: Machine) -> str:
    return str(machine.cfp("upstream", "list").json["active"])


def _dying(machine: Machine, moment: str, name: str) -> Ran:
    """Run a switch that meets its fate."""
    machine.environ["PYTHONPATH"] = str(REPOSITORY)
    words = ("upstream", "use", name, "--no-verify", "--codex-home", str(machine.home))
    try:
        program = [sys.executable, "-m", "tests.end_to_end.dying", str(machine.home), *moment.split()]
        return machine.run([*program, "--", *words], timeout=60)
    finally:
        del machine.environ["PYTHONPATH"]


def test_a_killed_switch(machine: Machine, numbers: Numbers) -> None:
    """Whenever it dies one upstream is in use, as a whole: URL, key and settings; no stream is cut."""
    with two_upstreams(machine) as saved:
        counted = _dying(machine, "count", "two")
        assert 0 == counted.code, counted.transcript
        changes = int(counted.stderr.split()[-1])
        moments = [*(f"fs {at}" for at in range(1, changes + 1)), "early", "late", "up", "released"]
        moments += [f"soon {delay}" for delay in DELAYS if sys.platform != "win32"]  # by SIGALRM
        if PROFILE != "deep":
            moments = moments[:: -(-len(moments) // EVERYDAY)]
        for number, moment in enumerate(moments):
            before = _active(machine)
            (target,) = set(saved) - {before}
            with ExitStack() as stack:
                stream = stack.enter_context(endless(machine, saved[before])) if number % 2 else None
                died = _dying(machine, moment, target)
                assert died.code in {system.KILLED, -14, 0}, (moment, died.transcript)
                assert 200 == ask_once(machine.port), moment
                settled(machine, moment)
                assert stream is None or still_open(stream), moment
            now, status = _active(machine), machine.cfp("status").json
            urls = {status["upstream_base"], status["health"]["upstream_base"]}
            assert (now, {saved[now].base_url}) == (status["upstream"], urls), moment
            turned = len(saved[now].turns)
            assert (200, turned + 1) == (ask_once(machine.port), len(saved[now].turns)), moment
            numbers.count("saved upstreams", "switches killed")


def test_streams_survive_switches(machine: Machine, numbers: Numbers) -> None:
    """Streams that run while upstreams are switched, again and again, all come whole; none is refused."""
    with two_upstreams(machine, between=SECONDS_BETWEEN) as saved:
        host = Host.find(str(machine.home), machine.environment(), sys.executable)
        over = threading.Event()
        with ThreadPoolExecutor() as pool:
            clients = [pool.submit(_stream, machine.port, over) for _ in range(CLIENTS)]
            try:
                for number in range(SWITCHES):
                    name = ("two", "one")[number % 2]
                    turned = len(saved[name].turns)
                    used = upstream.run(
                        upstream.COMMAND.parse(parsed("upstream", ["use", name, "--no-verify"])), host
                    )
                    assert isinstance(used, upstream.Result)
                    assert ("in_use", 0) == (used.status, used.fields["start_result"]["cut_streams"])
                    # Otherwise a fast machine would have switched on before any stream began there.
                    until(lambda name=name, turned=turned: len(saved[name].turns) > turned, "no stream")
            finally:
                over.set()
            answers = [client.result() for client in clients]
        streams = sum(count for count, _ in answers)
        numbers.count("saved upstreams", "switches under streams", SWITCHES)
        numbers.count("saved upstreams", "streams during them", streams)
        numbers.count("saved upstreams", "streams cut", sum(len(troubles) for _, troubles in answers))
        assert [[]] * CLIENTS == [troubles for _, troubles in answers]
        assert streams == sum(len(listener.turns) for listener in saved.values())
        assert KEY not in json.dumps([request.headers for one in saved.values() for request in one.received])
        machine.wait_for_one_worker()


def _stream(port: int, over: threading.Event) -> tuple[int, list[str]]:
    """Stream one answer after the other until it is over; return their number, and what went wrong."""
    count, troubles = 0, list[str]()
    while not over.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/v1/responses", BODY, HEADERS)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or b"response.completed" not in body or f"word-{LENGTH - 1}".encode() not in body:
                troubles.append(f"status {answer.status}, {len(body)} bytes")
            count += 1
        except OSError as error:
            troubles.append(repr(error))
        finally:
            connection.close()
    return count, troubles
