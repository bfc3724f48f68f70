"""Commands in Codex's own sandbox, where an agent runs them: what cannot be told is not told."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.end_to_end.harness import Machine, Ran, api_key_login

pytestmark = pytest.mark.posix("Codex's sandbox for Linux", needs="linux")

Sandboxed = Callable[..., Ran]
WITH_NETWORK = (
    *("-c", 'sandbox_mode="workspace-write"'),
    *("-c", "sandbox_workspace_write.network_access=true"),
)


@pytest.fixture
def sandboxed(codex: Machine) -> Sandboxed:
    """Run our program in the sandbox of an enabled home; skips where the machine allows none."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()

    def run(*words: str, flags: tuple[str, ...] = ()) -> Ran:
        program = [str(codex.codex), "sandbox", *flags, "--"]
        if codex.run([*program, "true"], timeout=60).code != 0:
            pytest.skip("this machine allows no sandbox")
        return codex.run([*program, sys.executable, "-P", "-m", "codex_fast_proxy", *words], timeout=60)

    return run


def test_without_network(codex: Machine, sandboxed: Sandboxed) -> None:
    """Status says that it cannot tell; what would be wrong is refused; the proxy and its files are left alone."""
    (worker,) = codex.workers()
    before = codex.files()
    status = sandboxed("status").json
    assert ("unknown", None, None) == (status["status"], status["running"], status["state"])
    assert "inside_sandbox" == status["diagnosis"]["code"]
    assert (None, None) == (status["needs_restart"], status["pending_restart"])
    doctor = sandboxed("doctor")
    codes = {check["code"] for check in doctor.json["checks"] if not check["ok"]}
    assert (2, {"inside_sandbox"}) == (doctor.code, codes), doctor.transcript
    for words in (
        *(("start",), ("stop", "--force"), ("install", "--start"), ("install", "--dry-run"), ("uninstall",)),
        *(("set-upstream", "--service-tier-policy", "preserve"), ("recover",), ("verify-upstream",), ("dashboard",)),
    ):
        ran = sandboxed(*words)
        assert (2, "inside_sandbox", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    assert 0 == sandboxed("autostart", "--quiet").code
    assert 0 == sandboxed("logs").code
    assert ([worker], before) == (codex.workers(), codex.files())
    assert "ready" == codex.cfp("status").json["diagnosis"]["code"]


def test_with_network(codex: Machine, sandboxed: Sandboxed) -> None:
    """The proxy answers, and its process cannot be seen: it is not called ended, and its files are not removed."""
    (worker,) = codex.workers()
    before = codex.files()
    assert "running" == sandboxed("status", flags=WITH_NETWORK).json["status"]
    assert "already_running" == sandboxed("start", flags=WITH_NETWORK).json["status"]
    for words in (
        ("stop", "--force"),
        ("uninstall",),
        ("install", "--start", "--service-tier", "flex", "--no-verify"),
    ):
        ran = sandboxed(*words, flags=WITH_NETWORK)
        assert (2, "worker_out_of_sight", False) == (ran.code, ran.json["code"], ran.json["changed"]), ran.transcript
    assert ([worker], before) == (codex.workers(), codex.files())
