"""Measurements outside the load scenarios: starting, idle memory, memory over many requests, TLS over distance."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.certificates import self_signed
from tests.performance import proc
from tests.performance.contenders import (
    NGINX,
    WORKER,
    Contender,
    Setup,
    Site,
    announced,
    contenders,
    running,
    wait_answering,
)
from tests.performance.scenarios import Numbers, Size, load, settle
from tests.ports import free_port

ROUND_TRIPS = (0, 20, 100)


def starting(site: Site, setups: dict[str, Setup], size: Size) -> dict[str, list[Numbers]]:
    """Milliseconds from the spawn to the first healthy answer, and of an interpreter that does nothing."""
    rows: dict[str, list[Numbers]] = {WORKER: [], NGINX: []}
    for _ in range(size.starts):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare = time.perf_counter() - began
        for name in (WORKER, NGINX):
            port = free_port()
            command = setups[name](site, port)
            began = time.perf_counter()
            with running(command, site.environ):
                wait_answering(port)
                seconds = time.perf_counter() - began
            rows[name].append({"start_ms": seconds * 1000, "start_per_interpreter": seconds / bare})
    return rows


def idle(site: Site, setups: dict[str, Setup]) -> dict[str, list[Numbers]]:
    """Megabytes of Pss and of memory of its own, of processes that have had one small request, one after the other.

    One at a time: two interpreters share pages, and each of them would seem to need less.
    """
    rows = {}
    for name, setup in setups.items():
        with contenders(site, {name: setup}) as (_, one):
            settle()
            numbers = {"idle_mb": proc.memory(one.pids()), "idle_own_mb": proc.memory(one.pids(), "Private_Dirty")}
            rows[name] = [numbers]
    return rows


def growth(worker: Contender, size: Size) -> list[Numbers]:
    """Megabytes of its own that it has more after so many requests; the first fifth warms it up."""
    clients = 32
    options = {"query": "plan=one", "body": 4000, "clients": clients}
    load(worker, {**options, "requests": size.requests_for_memory // clients // 5})
    settle()
    before = proc.memory(worker.pids(), "Private_Dirty")
    numbers = load(worker, {**options, "requests": size.requests_for_memory // clients})
    settle()
    return [{"growth_mb": proc.memory(worker.pids(), "Private_Dirty") - before, "errors": numbers["errors"]}]


def distant(folder: Path, setups: dict[str, Setup], size: Size) -> dict[str, dict[str, list[Numbers]]]:
    """First byte through TLS, on warm connections, by round trip in milliseconds: {"20": {contender: numbers}}."""
    made = self_signed(folder)
    rows: dict[str, dict[str, list[Numbers]]] = {}
    with running([sys.executable, "-m", "tests.performance.upstream", *map(str, made)]) as provider:
        port = announced(provider)
        for trip in ROUND_TRIPS:
            place = folder / f"tls-{trip}"
            place.mkdir()
            with running([sys.executable, "-m", "tests.performance.relay", str(port), str(trip)]) as relay:
                site = Site(folder=place, upstream=announced(relay) if trip else port, tls=made)
                with contenders(site, {name: setups[name] for name in (WORKER, NGINX)}) as here:
                    rows[str(trip)] = _warm(here, size.of(40 if trip else 400))
    return rows


def _warm(here: list[Contender], requests: int) -> dict[str, list[Numbers]]:
    options = {"query": "plan=one", "requests": requests, "warm": 3}
    rounds = [{one.name: load(one, options) for one in here if one.pid is not None} for _ in range(3)]
    return {name: [numbers[name] for numbers in rounds] for name in rounds[0]}
