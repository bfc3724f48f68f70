"""The contenders: the worker, and every peer that is installed here, all set up for the same work.

That work is what Codex's requests need: forward, swap the key, keep connections alive, stream without buffering,
write one log line. The worker alone also inspects the body and adds the tier.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cfp.layout import HEALTH_PATH
from tests.performance import proc
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
KEY = "RELAY_KEY"
WORKER, NGINX, DIRECT = "worker", "nginx", "direct"

_NGINX = """
user root;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 16m;
    keepalive_requests 1000000;
    upstream provider {{ server 127.0.0.1:{upstream}; keepalive 600; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass {scheme}://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer bench";
            proxy_buffering off;
            proxy_ssl_server_name on;
        }}
    }}
}}
"""

_HAPROXY = """
global
    maxconn 4096
    nbthread 1
    log fd@2 format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 20s
    timeout client 300s
    timeout server 300s
    option http-keep-alive
    option http-no-delay
    http-reuse always
frontend near
    bind 127.0.0.1:{port} backlog 1024
    http-request set-header Authorization "Bearer bench"
    default_backend provider
backend provider
    server one 127.0.0.1:{upstream} maxconn 4096
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`pid` is its first process; None where nothing stands between client and upstream."""

    name: str
    port: int
    pid: int | None

    def pids(self) -> list[int]:
        return [] if self.pid is None else proc.family(self.pid)


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str] | None = None, stderr: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended with the block."""
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        stderr=stderr,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def announced(process: subprocess.Popen[bytes]) -> int:
    """The port that a helper prints once it listens."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def wait_answering(port: int) -> None:
    """Return once it answers a request with anything; another program gives no other sign of being ready."""
    for _ in range(20_000):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", HEALTH_PATH)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.0005)
        else:
            return
        finally:
            connection.close()
    raise TimeoutError(port)


def worker_command(
    home: Path, port: int, base: str, *, program: Sequence[str] = ("-m", "codex_fast_proxy", "serve")
) -> list[str]:
    flags = ["--service-tier-policy", "inject_missing", "--upstream-api-key-env", KEY, "--provider", "relay"]
    place = ["--codex-home", str(home), "--port", str(port), "--upstream-base", base]
    return [sys.executable, "-P", *program, *flags, *place]


_ON_UVLOOP = """
import asyncio, sys, uvloop
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
from cfp.proxy.worker.command_line import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The set-up of contenders: a folder of their own, and the upstream that they forward to."""

    folder: Path
    upstream: int
    tls: tuple[Path, Path] | None = None
    host: str = "127.0.0.1"

    @property
    def base(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.upstream}/v1"

    @property
    def environ(self) -> dict[str, str]:
        trusted = {"CODEX_CA_CERTIFICATE": str(self.tls[0])} if self.tls else {}
        return {KEY: "bench", "NO_PROXY": self.host, **trusted}


Setup = Callable[[Site, int], list[str]]


def _worker(site: Site, port: int) -> list[str]:
    return _worker_at(site, port, "home")


def _worker_at(site: Site, port: int, name: str, **program: Sequence[str]) -> list[str]:
    home = site.folder / name
    home.mkdir(exist_ok=True)
    return worker_command(home, port, site.base, **program)


def _uvloop(site: Site, port: int) -> list[str]:
    return _worker_at(site, port, "home-uvloop", program=("-c", _ON_UVLOOP))


def _nginx(site: Site, port: int) -> list[str]:
    folder = site.folder / "nginx"
    folder.mkdir(exist_ok=True)
    scheme = "https" if site.tls else "http"
    text = _NGINX.format(folder=folder, port=port, upstream=site.upstream, scheme=scheme)
    (folder / "nginx.conf").write_text(text)
    return [nginx() or "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]


def _haproxy(site: Site, port: int) -> list[str]:
    file = site.folder / "haproxy.cfg"
    file.write_text(_HAPROXY.format(port=port, upstream=site.upstream))
    program = shutil.which("haproxy", path=_PATH) or "haproxy"
    return ["sh", "-c", 'exec "$0" -db -q -f "$1" 2> "$2"', program, str(file), str(site.folder / "haproxy.log")]


def _aiohttp(site: Site, port: int) -> list[str]:
    program, log = "tests.performance.peer_aiohttp", site.folder / "aiohttp.log"
    return [sys.executable, "-m", program, str(port), f"http://127.0.0.1:{site.upstream}", str(log)]


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def nginx() -> str | None:
    return shutil.which("nginx", path=_PATH)


def available() -> dict[str, Setup]:
    """The worker, nginx, and the other peers that are installed here; the bars are about the first two."""
    here = {WORKER: _worker, NGINX: _nginx}
    if shutil.which("haproxy", path=_PATH):
        here["haproxy"] = _haproxy
    if importlib.util.find_spec("aiohttp"):
        here["aiohttp"] = _aiohttp
    if importlib.util.find_spec("uvloop"):
        here["worker+uvloop"] = _uvloop
    return here


@contextmanager
def contenders(site: Site, setups: Mapping[str, Setup]) -> Iterator[list[Contender]]:
    """All of them at once, listening; the upstream itself is the first."""
    with ExitStack() as stack:
        here = [Contender(name=DIRECT, port=site.upstream, pid=None)]
        for name, setup in setups.items():
            port = free_port()
            process = stack.enter_context(running(setup(site, port), site.environ))
            wait_answering(port)
            here.append(Contender(name=name, port=port, pid=process.pid))
        yield here
