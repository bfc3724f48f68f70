"""config.toml and hooks.json are shared: the real Codex writes there between and during our commands."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest

from cfp.host.codex_cli import find_codex
from tests.crash.sizes import size
from tests.end_to_end.harness import Machine
from tests.numbers import Numbers
from tests.systems import WINDOWS

MINE = {"type": "command", "command": "true # mine"}
LATER = {"type": "command", "command": "true # came later"}
SERVERS = size("SERVERS", 30, 30)


def add_hook(codex: Machine, handler: dict[str, str]) -> None:
    """Append a hook as another tool does, and trust it as Codex does."""
    doc = json.loads(codex.hooks.read_text()) if codex.hooks.exists() else {"hooks": {"SessionStart": []}}
    groups = doc["hooks"]["SessionStart"]
    groups.append({"hooks": [handler]})
    codex.hooks.write_text(json.dumps(doc))
    codex.trust(handler, len(groups) - 1)


def trust(codex: Machine) -> list[tuple[str, str]]:
    """Every hook but ours and what Codex itself says of its trust."""
    cli = find_codex(codex.environment(), codex.home, program=codex.codex)
    assert cli is not None
    hooks = cli.answers(codex.work).hooks
    return [(str(hook.command), hook.trust_status) for hook in hooks if "codex_fast_proxy" not in str(hook.command)]


def edit(codex: Machine, *words: str) -> None:
    """Let the Codex CLI change its config."""
    assert codex.run([str(codex.codex), *words], timeout=30).code == 0


@pytest.mark.codex_since("0.150", "0.130 refuses a config with the tier `default`")
def test_an_opted_out_home_is_told_and_gets_its_flags_back(codex: Machine) -> None:
    """Codex has rewritten it all (line ends, byte order mark, mode); hooks before and after ours keep their trust."""
    codex.relay(top='service_tier = "default"', table="\n[features]\nhooks = false   # no hooks\n")
    user = tomllib.loads(codex.config.read_text())
    codex.config.write_bytes(b"\xef\xbb\xbf" + codex.config.read_bytes().replace(b"\n", b"\r\n"))
    codex.config.chmod(0o640)
    add_hook(codex, MINE)

    on = codex.install("--no-verify").json
    assert (True, ["hooks_opt_out_overridden", "service_tier_opt_out_kept"]) == (
        on["hooks_opt_out_overridden"],
        on["warnings"],
    )
    assert "preserve" == on["service_tier_effective_policy"]
    edit(codex, "features", "enable", "goals")
    edit(codex, "mcp", "add", "tool", "--", "true")
    assert b"\r" not in codex.config.read_bytes()
    assert WINDOWS or 0o600 == codex.config.stat().st_mode & 0o777
    add_hook(codex, LATER)
    both = [(MINE["command"], "trusted"), (LATER["command"], "trusted")]
    assert both == trust(codex)
    assert codex.cfp("status").json["startup_hook"] is True

    off = codex.cfp("uninstall").json
    assert ("restored_base_url", "tombstone_left", []) == (
        off["config_restore"],
        off["startup_hook"]["status"],
        off["conflicts"],
    )
    edit(codex, "features", "enable", "hooks")  # or Codex lists none
    assert both == trust(codex)
    left = tomllib.loads(codex.config.read_text())
    assert ("true", 2) == (left.pop("mcp_servers")["tool"]["command"], len(left.pop("hooks")["state"]))
    user["features"] |= {"goals": True, "hooks": True}
    assert user == left


def test_codex_writes_during_our_commands(codex: Machine, numbers: Numbers) -> None:
    """Servers are added by the CLI while the proxy goes on and off: none is lost, and the URL comes back."""
    codex.relay()
    before = codex.config.read_text()
    add = [str(codex.codex), "mcp", "add"]
    each = f"for name in {[f'n{number}' for number in range(1, SERVERS + 1)]!r}:"
    source = f"import subprocess\n{each} subprocess.run([*{add!r}, name, '--', 'true'], check=True)"
    rounds, codes = 0, set()
    with subprocess.Popen([sys.executable, "-c", source], env=codex.environment(), stdout=subprocess.PIPE) as writer:
        while writer.poll() is None:
            on, off = (
                codex.cfp("install", "--start", "--no-verify", "--port", str(codex.port)),
                codex.cfp("uninstall"),
            )
            codes |= {on.json.get("code"), off.json.get("code")}
            rounds += 1
        assert 0 == writer.returncode
    numbers.count("the real Codex writes", "meanwhile", SERVERS)
    numbers.count("the real Codex writes", "rounds of on and off", rounds)
    assert codes <= {None, "changed_meanwhile"}
    assert 0 == codex.cfp("uninstall").code  # its last write may have brought back what it had read before
    after = codex.config.read_text()
    servers = tomllib.loads(after)["mcp_servers"]
    assert {f"n{number}" for number in range(1, SERVERS + 1)} == set(servers)
    assert after.startswith(before.rstrip("\n"))
    assert ([], False) == (codex.workers(), codex.state.exists())
