"""The route that the real Codex takes, whichever file sets it: turns go through the proxy, or the file is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cfp.codex.refusals.config import PROFILE_REFUSED_SINCE
from tests.end_to_end.harness import PROVIDER, Machine, api_key_login, relay_config
from tests.end_to_end.listeners import Listener
from tests.real_codex import Version

# /etc for the commands of this shell alone: the administrator's files, copied from a folder, and then the commands.
NAMESPACE = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/up" "$1/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/work" /etc
mkdir -p /etc/codex
cp "$2"/* /etc/codex
shift 2
exec "$@"
"""
RUN = """\
import json, subprocess, sys
for words in json.loads(sys.argv[1]):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(json.dumps([done.returncode, done.stdout]))
"""


def can_mount(folder: Path) -> bool:
    words = ["unshare", "-rm", "sh", "-c", NAMESPACE.replace('cp "$2"', ': "$2"'), "sh", str(folder), "-", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(words, capture_output=True, check=False).returncode == 0


def administered(machine: Machine, files: dict[str, str], *commands: list[str]) -> list[tuple[int, str]]:
    """Run commands one after another where /etc/codex has these files; return exit code and output of each."""
    folder, mount = machine.root / "administrator", machine.root / "mount"
    for path in (folder, mount):
        path.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    if not can_mount(mount):
        pytest.skip("no mount of one's own")
    words = ["unshare", "-rm", "sh", "-c", NAMESPACE, "sh", str(mount), str(folder)]
    ran = machine.run([*words, sys.executable, "-c", RUN, json.dumps(commands)], timeout=120)
    assert ran.code == 0, ran.transcript
    return [tuple(json.loads(line)) for line in ran.stdout.splitlines()]


def cfp(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "codex_fast_proxy", *words]


def turn(machine: Machine) -> list[str]:
    walls = (f"HTTPS_PROXY={machine.nowhere}", "NO_PROXY=127.0.0.1,localhost")
    return ["env", *walls, str(machine.codex), "exec", "--skip-git-repo-check", "Say hello"]


def check_of(answer: str, name: str) -> dict[str, Any]:
    return next(check for check in json.loads(answer)["checks"] if check["name"] == name)


@pytest.mark.posix("/etc/codex", needs="linux")
def test_a_provider_of_the_system_file(codex: Machine) -> None:
    """The user's config.toml is empty: it gets the URL alone, turns pass, and it is given back to the byte."""
    codex.write("config.toml", "")
    codex.write("auth.json", api_key_login())
    install = cfp("install", "--start", "--port", str(codex.port))
    rest = (turn(codex), cfp("status"), cfp("doctor"), cfp("uninstall"))
    (installed, answered, status, doctor, uninstalled) = administered(
        codex, {"config.toml": relay_config(codex.upstream.base_url)}, install, *rest
    )
    assert installed[0] == 0, installed
    assert ("relay", codex.upstream.base_url) == (
        json.loads(installed[1])["provider"],
        json.loads(installed[1])["upstream_base"],
    )
    assert answered[0] == 0, answered
    report = json.loads(status[1])
    assert "ready" == report["diagnosis"]["code"]
    assert report["route_in_force"]["provider"] == {"value": PROVIDER, "origin": "/etc/codex/config.toml"}
    assert report["route_in_force"]["base_url"]["origin"] == str(codex.config)
    assert check_of(doctor[1], "active_provider")["ok"]
    assert uninstalled[0] == 0
    assert codex.config.read_text() == ""
    _, answered_turn = codex.upstream.turns  # the first tried the route
    assert "priority" == answered_turn.json()["service_tier"]  # which the proxy adds


@pytest.mark.posix("/etc/codex", needs="linux")
@pytest.mark.parametrize(
    ("files", "key"),
    [
        pytest.param(
            {"requirements.toml": 'model_provider = "openai"\n'},
            "model_provider",
            marks=pytest.mark.codex_since("0.169", "a provider among the requirements"),
        ),
        (
            {"managed_config.toml": '[model_providers.relay]\nbase_url = "http://127.0.0.1:9/v1"\n'},
            "model_providers.relay.base_url",
        ),
    ],
)
def test_a_route_that_the_administrator_sets(codex: Machine, files: dict[str, str], key: str) -> None:
    """No install, and the file and its key by name."""
    codex.relay()
    ((code, answer),) = administered(codex, files, cfp("install", "--start", "--port", str(codex.port)))
    assert (2, "route_overridden") == (code, json.loads(answer)["code"])
    assert key in json.loads(answer)["error"]
    assert next(iter(files)) in json.loads(answer)["error"]
    assert relay_config(codex.upstream.base_url) == codex.config.read_text()


@pytest.mark.posix("/etc/codex", needs="linux")
@pytest.mark.codex_since("0.150", "0.130 refuses a config with this tier")
@pytest.mark.parametrize("name", ["config.toml", "managed_config.toml"])
def test_an_opt_out_of_the_administrator(codex: Machine, name: str) -> None:
    """`service_tier = "default"` there keeps the proxy from adding one, and the commands say so."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    install, status, _, doctor, _ = administered(
        codex,
        {name: 'service_tier = "default"\n'},
        cfp("install", "--start", "--port", str(codex.port)),
        cfp("status"),
        turn(codex),
        cfp("doctor"),
        cfp("uninstall"),
    )
    answer = json.loads(install[1])
    assert ("preserve", True) == (
        answer["service_tier_effective_policy"],
        "service_tier_opt_out_kept" in answer["warnings"],
    )
    assert "preserve" == json.loads(status[1])["service_tier_effective_policy"]
    assert f'/etc/codex/{name} says service_tier = "default"' in check_of(doctor[1], "service_tier_policy")["detail"]
    assert [False, False] == ["service_tier" in each.json() for each in codex.upstream.turns]


@pytest.mark.posix("/etc/codex", needs="linux")
@pytest.mark.parametrize(
    "bar",
    [
        pytest.param("allow_managed_hooks_only = true\n", marks=pytest.mark.codex_since("0.150", "this requirement")),
        "[features]\nhooks = false\n",
    ],
)
def test_hooks_that_the_administrator_forbids(codex: Machine, bar: str) -> None:
    """The install goes on, since turns pass the proxy, and says that only `start` will start it."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    install, status = administered(
        codex,
        {"requirements.toml": bar},
        cfp("install", "--start", "--port", str(codex.port)),
        cfp("status"),
        cfp("uninstall"),
    )[:2]
    assert install[0] == 0, install
    answer = json.loads(install[1])
    assert answer["startup_hook"]["runs"] is False
    assert "hooks_disabled_by_policy" in answer["warnings"]
    assert (False, "hooks_disabled_by_policy") == (
        json.loads(status[1])["startup_hook"],
        json.loads(status[1])["diagnosis"]["code"],
    )


@pytest.mark.codex_since("0.140", "a profile is a file of its own")
def test_a_profile_that_selects_the_proxys_provider(codex: Machine) -> None:
    """config.toml selects none, and `codex -p relay` goes through: no alarm, neither in status nor in doctor."""
    codex.write("config.toml", relay_config(codex.upstream.base_url).replace(f'model_provider = "{PROVIDER}"\n', ""))
    codex.write(f"{PROVIDER}.config.toml", f'model_provider = "{PROVIDER}"\n')
    codex.write("auth.json", api_key_login())
    codex.install("--provider", PROVIDER)
    codex.turn("-p", PROVIDER)
    assert codex.cfp("status").json["diagnosis"]["code"] == "ready"
    doctor = codex.cfp("doctor")
    assert (True, "ok") == tuple(check_of(doctor.stdout, "active_provider")[name] for name in ("ok", "code"))
    assert check_of(doctor.stdout, "provider_base_url")["ok"]
    codex.write("other.config.toml", f'[model_providers.{PROVIDER}]\nbase_url = "{codex.upstream.base_url}"\n')
    check = check_of(codex.cfp("doctor").stdout, "active_provider")
    assert "profile_may_bypass" == check["code"]
    assert "other.config.toml" in check["detail"]
    assert f"{PROVIDER}.config.toml" not in check["detail"]


@pytest.mark.codex_since("0.140", "a profile is a file of its own")
def test_a_profile_that_repeats_the_providers_url(codex: Machine) -> None:
    """`codex -p NAME` passes the proxy; install and status name file and key, and the key's removal mends it."""
    codex.relay()
    codex.write(
        "work.config.toml",
        f'model = "gpt-5.5"\n[model_providers.{PROVIDER}]\nbase_url = "{codex.upstream.base_url}"\n',
    )
    codex.write("other.config.toml", 'model_provider = "openai"\n')
    file = codex.home / "work.config.toml"
    before = file.read_bytes()
    for answer in (codex.install().json, codex.cfp("status").json):
        assert "profile_passes_proxy" in answer["warnings"]
        (warning,) = answer["warning_messages"]
        assert f"{file} sets model_providers.{PROVIDER}.base_url to {codex.upstream.base_url}" in warning
    served = codex.cfp("status").json["health"]["requests_served"]
    codex.turn("-p", "work")
    assert (before, served) == (file.read_bytes(), codex.cfp("status").json["health"]["requests_served"])
    file.write_text('model = "gpt-5.5"\n')
    codex.turn("-p", "work")
    status = codex.cfp("status").json
    assert ([], True) == (status["warnings"], served < status["health"]["requests_served"])


def test_another_provider_is_selected_later(codex: Machine) -> None:
    """Requests do not go through the proxy then, and status does not say that they do."""
    codex.relay()
    codex.write("auth.json", api_key_login())
    codex.install()
    text = codex.config.read_text().replace(f'model_provider = "{PROVIDER}"', 'model_provider = "ollama"')
    codex.config.write_text(text)
    status = codex.cfp("status").json
    assert "provider_not_active" == status["diagnosis"]["code"]
    assert status["route_in_force"]["provider"] == {"value": "ollama", "origin": str(codex.config)}


def test_the_profile_of_an_older_codex(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Codex 0.130 takes the provider that `profile` selects, which is switched; a newer one refuses the file."""
    version, machine.codex = each_codex
    machine.environ["PATH"] = f"{machine.codex.parent}:/usr/bin:/bin"
    with Listener(key="sk-other") as other:
        machine.write("auth.json", api_key_login())
        machine.write(
            "config.toml",
            relay_config(other.base_url, top='profile = "work"')
            + f'[model_providers.second]\nname = "S"\nbase_url = "{machine.upstream.base_url}"\n'
            'env_key = "RELAY_KEY"\n[profiles.work]\nmodel_provider = "second"\n',
        )
        ran = machine.cfp("install", "--start", "--port", str(machine.port))
        if version >= PROFILE_REFUSED_SINCE:
            assert (2, "config_refused") == (ran.code, ran.json["code"])
            return
        assert (0, "second") == (ran.code, ran.json["provider"]), ran.transcript
        assert "priority" == machine.turn().json()["service_tier"]  # which the proxy adds
        assert machine.cfp("status").json["diagnosis"]["code"] == "ready"
