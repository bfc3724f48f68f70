"""A key is seen in files that only its owner can read, and nowhere else."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from tests.access import others_may_read
from tests.contract.story import life
from tests.contract.test_results import GOLDEN
from tests.end_to_end.harness import KEY, Machine, relay_config
from tests.systems import WINDOWS

OTHERWISE: frozenset[str] = frozenset()
ON_WINDOWS_ALONE = {"chatgpt_login_windows_troubleshooting"}
OF_THE_USER = {"config.toml", "auth.json", ".env"}

_MCP = """
[mcp_servers.mine]
command = "true"
env = { TOKEN = "canary-in-mcp-env" }
"""

_OTHER = """
[model_providers.other]
name = "Other"
base_url = "https://other.example/v1"
experimental_bearer_token = "canary-bearer"
"""


def shape(answer: dict[str, Any]) -> tuple[Any, ...]:
    """Return the parts of an answer that no machine has otherwise."""
    return answer["exit_code"], answer.get("status"), answer.get("code"), sorted(answer.keys() - ON_WINDOWS_ALONE)


@pytest.mark.timeout(900)
def test_no_key_leaves_its_place(machine: Machine) -> None:
    """Planted in the environment, config.toml, .env and auth.json; looked for in every answer, process and file.

    Each answer has the exit code, status and fields of its golden file, on every system.
    """
    more = 'http_headers = { "x-extra" = "canary-in-header" }\nquery_params = { key = "canary-in-query" }\n'
    table = f"{more}{_MCP}{_OTHER}"
    machine.environ |= {"HTTPS_PROXY": "http://user:canary-in-proxy@127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
    steps = life(machine)
    number = count(1)
    others: list[str] = []
    for name, act in steps:
        if name == "usage_error":
            machine.write("config.toml", relay_config(machine.upstream.base_url, table=table))
            machine.write(".env", "OTHER_KEY=canary-in-dotenv\n")
            auth = json.loads((machine.home / "auth.json").read_text())
            machine.write("auth.json", json.dumps({**auth, "OTHER_API_KEY": "canary-in-auth-json"}))
        ran = act()
        golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        if name not in OTHERWISE and shape(golden) != shape({"exit_code": ran.code, **ran.json}):
            others.append(f"{name}: {shape(golden)} is {shape({'exit_code': ran.code, **ran.json})}: {ran.stdout}")
        canaries = (KEY, "canary-")
        for text in (ran.stdout, ran.stderr, *(" ".join(process.cmdline()) for process in machine.processes())):
            assert not [canary for canary in canaries if canary in text], f"step {next(number)}: {name}"
        for path in (path for path in machine.root.rglob("*") if path.is_file()):
            if any(canary.encode() in path.read_bytes() for canary in canaries):
                images = (".config.toml.",) if name.endswith("_interrupted") else ()  # of whoever died
                # On Windows the user's folder keeps others out of what the user writes: this one is temporary.
                users = path.name in OF_THE_USER or path.name.startswith(images)
                assert (WINDOWS and users) or not others_may_read(path), f"{name}: {path}"
                assert path.name.startswith(("config.toml", "auth.json", "provider-auth.json", ".env", *images)) or (
                    images and path.suffix == ".b"
                ), f"{name}: {path}"
    assert [] == others
