"""What is measured without the crowd: starting, idle memory, memory over many requests, and TLS over distance."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.performance import proc
from tests.performance.contenders import (
    NGINX,
    WORKER,
    Contender,
    Setup,
    Site,
    announced,
    contenders,
    free_port,
    running,
    wait_answering,
)
from tests.performance.scenarios import Numbers, Size, load, median_of, settle

ROUND_TRIPS = (0, 20, 100)


def starting(site: Site, setups: dict[str, Setup], size: Size) -> dict[str, Numbers]:
    """Milliseconds from the spawn to the first healthy answer, and of an interpreter that does nothing."""
    bare, healthy, listening = [], [], []
    for _ in range(size.starts):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - began)
        port = free_port()
        began = time.perf_counter()
        with running(setups[WORKER](site, port), site.environ):
            wait_answering(port)
            healthy.append(time.perf_counter() - began)
        port = free_port()
        began = time.perf_counter()
        with running(setups[NGINX](site, port)):
            wait_answering(port)
            listening.append(time.perf_counter() - began)
    bare_ms, healthy_ms, nginx_ms = (statistics.median(times) * 1000 for times in (bare, healthy, listening))
    return {
        WORKER: {"start_ms": healthy_ms, "start_per_interpreter": healthy_ms / bare_ms},
        NGINX: {"start_ms": nginx_ms},
        "bare interpreter": {"start_ms": bare_ms},
    }


def idle(site: Site, setups: dict[str, Setup]) -> dict[str, Numbers]:
    """Megabytes of Pss and of resident memory, of processes that have had one small request."""
    found = {}
    with contenders(site, setups) as here:
        settle()
        for one in here:
            if one.pid is None:
                continue
            found[one.name] = {"idle_mb": proc.memory(one.pids()), "idle_rss_mb": proc.memory(one.pids(), "Rss")}
    return found


def growth(worker: Contender, size: Size) -> Numbers:
    """Megabytes of its own that it has more after so many requests; the first fifth warms it up."""
    clients = 32
    asked = {"query": "plan=one", "body": 4000, "clients": clients}
    load(worker, {**asked, "requests": size.requests_for_memory // clients // 5})
    settle()
    before = proc.memory(worker.pids(), "Private_Dirty")
    numbers = load(worker, {**asked, "requests": size.requests_for_memory // clients})
    settle()
    return {"growth_mb": proc.memory(worker.pids(), "Private_Dirty") - before, "errors": numbers["errors"]}


def distant(folder: Path, setups: dict[str, Setup], size: Size) -> dict[str, dict[str, Numbers]]:
    """First byte through TLS, on warm connections, by round trip in milliseconds: {"20": {contender: numbers}}."""
    made = certificate(folder)
    found: dict[str, dict[str, Numbers]] = {}
    with running([sys.executable, "-m", "tests.performance.upstream", *map(str, made)]) as provider:
        port = announced(provider)
        for trip in ROUND_TRIPS:
            place = folder / f"tls-{trip}"
            place.mkdir()
            with running([sys.executable, "-m", "tests.performance.relay", str(port), str(trip)]) as relay:
                site = Site(folder=place, upstream=announced(relay) if trip else port, tls=made)
                with contenders(site, {name: setups[name] for name in (WORKER, NGINX)}) as here:
                    found[str(trip)] = _warm(here, size.of(40))
    return found


def _warm(here: list[Contender], requests: int) -> dict[str, Numbers]:
    asked = {"query": "plan=one", "requests": requests, "warm": 3}
    rounds = [{one.name: load(one, asked) for one in here if one.pid is not None} for _ in range(3)]
    return {name: median_of([numbers[name] for numbers in rounds]) for name in rounds[0]}


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1, and its key."""
    made = (folder / "cert.pem", folder / "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=relay"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made[0]), "-keyout", str(made[1]))
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return made
