"""The worker as a process: flags, go byte, lock and signals."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from cfp.core.settings import Policy
from cfp.errors import CfpError
from cfp.host.worker.control.channel import ask_to_end
from cfp.host.worker.processes import hold
from cfp.layout import Layout
from cfp.proxy.config import Revival
from cfp.proxy.worker.command_line import ServeArgs, parse, worker_config
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[3]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from cfp.proxy.worker.command_line import main; sys.exit(main(sys.argv[1:]))"
)
ROOT = Path(__file__).anchor
BASE = ["--provider", "relay", "--upstream-base", "http://127.0.0.1:9/v1"]


@dataclass(frozen=True, slots=True)
class Process:
    popen: subprocess.Popen[bytes]
    port: int

    def health(self) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/__codex_fast_proxy/health")
            value = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert isinstance(value, dict)
        return value

    def end(self, home: Path) -> None:
        """Have it drain and exit, as `stop` does."""
        handle = hold(self.popen.pid)
        assert handle is not None
        with handle:
            ask_to_end(handle, Layout(home).control("ab12"))


@contextmanager
def process(home: Path, *flags: str, cwd: Path | str = ROOT, under: Sequence[str] = ()) -> Iterator[Process]:
    port = free_port()
    command = [
        *under,
        sys.executable,
        "-P",
        "-c",
        PROGRAM,
        str(REPOSITORY),
        "--codex-home",
        str(home),
        "--port",
        str(port),
    ]
    popen = subprocess.Popen(
        [*command, *BASE, *flags], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with popen:
        try:
            yield Process(popen, port)
        finally:
            popen.kill()


def wait_for_pid_file(running: Process, home: Path) -> None:
    """Wait for the pid file, which is written once the port listens."""
    while not (Layout(home).pid_file.exists() and Layout(home).pid_file.read_text().endswith("\n")):
        assert running.popen.poll() is None
        time.sleep(0.01)


def test_without_the_go_byte_nothing_happens(tmp_path: Path) -> None:
    """If the parent dies before it writes the go byte, no process, file or output remains."""
    with process(tmp_path, "--await-go") as running:
        out, _ = running.popen.communicate(timeout=20)
        assert (running.popen.returncode, out) == (0, b"")
    assert list(tmp_path.iterdir()) == []


def test_it_serves_and_leaves(tmp_path: Path) -> None:
    """After the go byte health has nonce, pid and start time; SIGTERM ends the worker and removes the pid file."""
    with process(tmp_path, "--await-go", "--nonce", "ab12") as running:
        assert running.popen.stdin is not None
        running.popen.stdin.write(b"g")
        running.popen.stdin.flush()
        wait_for_pid_file(running, tmp_path)
        health = running.health()
        assert (health["nonce"], health["pid"], health["port"]) == ("ab12", running.popen.pid, running.port)
        assert Layout(tmp_path).pid_file.read_text() == f"{running.popen.pid}\n"
        if sys.platform != "win32":
            assert Layout(tmp_path).worker.stat().st_mode & 0o777 == 0o700
        running.end(tmp_path)
        out, _ = running.popen.communicate(timeout=20)
        assert (running.popen.returncode, out) == (0, b"")
    assert not Layout(tmp_path).pid_file.exists()


def test_one_worker_per_home(tmp_path: Path) -> None:
    """A second worker is refused while the first runs; a SIGKILL of the first leaves no obstacle."""
    with process(tmp_path) as first:
        wait_for_pid_file(first, tmp_path)
        with process(tmp_path) as second:
            out, _ = second.popen.communicate(timeout=20)
            assert second.popen.returncode != 0
            assert b"worker_running" in out
        assert first.health()["pid"] == first.popen.pid
    Layout(tmp_path).pid_file.unlink()
    with process(tmp_path) as third:
        wait_for_pid_file(third, tmp_path)
        assert third.health()["pid"] == third.popen.pid


def test_it_serves_without_a_pid_file(tmp_path: Path) -> None:
    """A worker serves although its pid file cannot be written, as on a full disk."""
    Layout(tmp_path).pid_file.mkdir(parents=True)  # a folder cannot be written as a file
    with process(tmp_path, "--nonce", "ab12") as running:
        while True:
            with suppress(ConnectionRefusedError):
                assert running.health()["nonce"] == "ab12"
                break
            assert running.popen.poll() is None
            time.sleep(0.01)
        running.end(tmp_path)
        out, _ = running.popen.communicate(timeout=20)
        assert (running.popen.returncode, out) == (0, b"")


@pytest.mark.posix("a limit on descriptors")
def test_a_shells_limit_on_descriptors_is_raised(tmp_path: Path) -> None:
    """More clients are served than the shell's limit on open files allows."""
    with process(tmp_path, under=("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh")) as running, ExitStack() as opened:
        wait_for_pid_file(running, tmp_path)
        for _ in range(150):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=20))
            client.sendall(b"HEAD /__codex_fast_proxy/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % running.port)
            assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_a_planted_module_is_not_executed(tmp_path: Path) -> None:
    """A json.py in the current folder is not imported."""
    planted = tmp_path / "project"
    planted.mkdir()
    for name in ("json.py", "asyncio.py", "httptools.py", "cfp.py"):
        (planted / name).write_text(f"raise SystemExit('planted {name} was executed')\n")
    with process(tmp_path, cwd=planted) as running:
        wait_for_pid_file(running, tmp_path)
        assert running.health()["ok"] is True


def test_all_flags_are_read(tmp_path: Path) -> None:
    """Each flag reaches the settings; flags of the predecessor's scripts are accepted."""
    argv = [
        *("--codex-home", str(tmp_path), "--provider", "relay", "--host", "127.0.0.1", "--port", "8787"),
        *("--proxy-base", "/v1", "--upstream-base=https://relay.example/v1", "--service-tier", "priority"),
        *("--service-tier-policy", "preserve", "--upstream-api-key-env", "RELAY_KEY", "--nonce", "ab12"),
        *("--inherited", "20,21,22", "--sentinel", "7", "--revivals", "2"),
        *("--take-over", "cd34", "--await-go", "--verbose", "--log-dir", str(tmp_path)),
        *("--service-tier-effective-policy", "preserve", "--upstream-api-key-source", "process_env"),
    ]
    args = parse(argv, {})
    settings = args.settings
    assert args == ServeArgs(
        settings=settings,
        codex_home=tmp_path,
        log_dir=tmp_path,
        nonce="ab12",
        take_over="cd34",
        revival=Revival(sentinel=7, count=2, lock=20, sockets=(21, 22)),
        await_go=True,
        verbose=True,
    )
    assert (settings.provider, settings.port, settings.upstream_base) == ("relay", 8787, "https://relay.example/v1")
    assert (settings.service_tier_policy, settings.upstream_api_key_env) == (Policy.PRESERVE, "RELAY_KEY")


def test_the_outbound_proxy_is_the_one_of_codex(tmp_path: Path) -> None:
    """An outbound proxy in .env counts for the worker, and overrides the environment."""
    args = parse([*BASE, "--codex-home", str(tmp_path)], {})
    environ = {"HTTPS_PROXY": "http://p:1", "PATH": "/bin"}
    assert worker_config(args, environ).environ.items() >= environ.items()
    (tmp_path / ".env").write_text("HTTPS_PROXY=http://p:2\nRELAY_KEY=k\n")
    variables = worker_config(args, environ).environ
    assert (variables["HTTPS_PROXY"], variables["PATH"], variables.get("RELAY_KEY")) == ("http://p:2", "/bin", None)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--unknown"], "unknown_flag"),
        (["--port"], "flag_needs_value"),
        (["--port", "http"], "usage"),
        (["--host", "0.0.0.0"], "host_not_loopback"),
        (["--nonce", "x y"], "invalid_settings"),
        (["--take-over", "x y"], "invalid_settings"),
        (["--await-go=1"], "unknown_flag"),
        (["--inherited", "20,21"], "invalid_settings"),
        (["--inherited", "20", "--sentinel", "7", "--revivals", "1"], "invalid_settings"),
        (["--upstream-api-key-env", "A", "--use-provider-auth-file"], "two_auth_sources"),
        (["--upstream-base", "http://127.0.0.1:8787/v1"], "upstream_is_proxy"),
    ],
)
def test_wrong_flags_are_refused(argv: list[str], code: str) -> None:
    """Each wrong flag has its own error code, before anything is started."""
    with pytest.raises(CfpError) as caught:
        parse([*BASE, *argv], {})
    assert caught.value.code == code
