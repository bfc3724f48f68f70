"""A home that is not enabled yet: doctor, the dry run and the install itself say the same of it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cfp.codex.refusals.config import PROFILE_REFUSED_SINCE
from tests.end_to_end.harness import KEY, KEY_ENV, Machine, relay_config
from tests.end_to_end.listeners import Listener
from tests.real_codex import Version

Break = Callable[[Machine], object]


def failures(machine: Machine, *words: str) -> list[str]:
    """Return the names of doctor's failed checks; its exit code agrees with them."""
    port = () if "--codex-home" in words else ("--port", str(machine.port))
    ran = machine.cfp("doctor", *port, *words)
    names = [check["name"] for check in ran.json["checks"] if not check["ok"]]
    assert (2 if names else 0, not names) == (ran.code, ran.json["ok"]), ran.transcript
    return names


def test_a_healthy_home_has_no_red_line(codex: Machine) -> None:
    """Exit code 0, nothing is sent, the next action is the install; and that succeeds."""
    codex.relay()
    before = codex.files()
    ran = codex.cfp("doctor", "--port", str(codex.port))
    assert (0, "ok", "not_enabled") == (ran.code, ran.json["status"], ran.json["diagnosis"]["code"]), ran.transcript
    assert "install --start" in ran.json["next_user_action"]
    assert ((), before) == (codex.upstream.received, codex.files())
    codex.install()
    assert [] == failures(codex)


def test_online_tries_the_provider(machine: Machine) -> None:
    """One turn, with the provider's key, before the install and after it; a provider that refuses is named."""
    machine.relay()
    assert [] == failures(machine, "--online")
    (turn,) = machine.upstream.turns
    assert f"Bearer {KEY}" == turn.header("authorization")
    machine.environ[KEY_ENV] = "sk-wrong"
    machine.upstream.keys.add("sk-wrong")  # it may come here
    assert ["provider_answers"] == failures(machine, "--online")
    machine.environ[KEY_ENV] = KEY
    machine.install()
    machine.environ[KEY_ENV] = "sk-wrong"
    assert ["provider_answers"] == failures(machine, "--online")


def _hard_link(machine: Machine) -> None:
    (machine.root / "other.toml").hardlink_to(machine.config)


def _query(machine: Machine) -> None:
    machine.write("config.toml", relay_config(machine.upstream.base_url + "?api-version=1"))


def _no_key(machine: Machine) -> None:
    machine.environ[KEY_ENV] = ""


def _key_with_a_space(machine: Machine) -> None:
    machine.environ[KEY_ENV] = "sk two words"


def _no_model(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text().replace('model = "', 'not_the_model = "'))


def _no_provider(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text().replace('model_provider = "', 'not_the_provider = "'))


def _no_url(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text().replace("base_url", "not_the_url"))


def _no_table(machine: Machine) -> None:
    machine.config.write_text(
        machine.config.read_text().replace("[model_providers.relay]", "[model_providers.other]")
    )


def _no_name(machine: Machine) -> None:
    machine.config.write_text(re.sub("(?m)^name = .*\n", "", machine.config.read_text()))


def _no_toml(machine: Machine) -> None:
    machine.write("config.toml", "model = [")


def _no_hooks_file(machine: Machine) -> None:
    machine.write("hooks.json", "[")


@pytest.mark.parametrize(
    ("obstacle", "code", "check"),
    [
        (_hard_link, "file_not_replaceable", "install_possible"),
        (_query, "invalid_upstream_url", "install_possible"),
        (_no_key, "codex_key_unset", "upstream_auth"),
        (_key_with_a_space, "upstream_key_malformed", "key_format"),
        (_no_model, "model_unknown", "install_possible"),
        (_no_provider, "ambiguous_provider", "active_provider"),
        (_no_url, "upstream_unknown", "provider_base_url"),
        (_no_table, "provider_undefined", "codex_config"),
        (_no_name, "config_refused", "codex_config"),
        (_no_toml, "config_unparseable", "codex_config"),
        (_no_hooks_file, "hooks_unparseable", "install_possible"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_an_install_would_refuse(machine: Machine, obstacle: Break, code: str, check: str) -> None:
    """The dry run refuses with its code, and one check of doctor fails; nothing is written, nothing is sent."""
    machine.relay()
    machine.environ["PATH"] = os.pathsep.join(("/usr/bin", "/bin"))
    obstacle(machine)
    before = machine.files()
    port = ("--port", str(machine.port))
    real, dry = (machine.cfp("install", *mode, *port) for mode in (("--start",), ("--start", "--dry-run")))
    assert (2, code) == (real.code, real.json["code"]), real.transcript
    assert [real.code, real.json["code"], real.json["error"]] == [dry.code, dry.json["code"], dry.json["error"]]
    assert [check] == failures(machine)
    assert ((), before) == (machine.upstream.received, machine.files())


def test_a_query_belongs_in_query_params(codex: Machine) -> None:
    """The refusal of a URL with a query names its place: from there it reaches the provider through the proxy."""
    codex.write("config.toml", relay_config(f"{codex.upstream.base_url}?api-version=7"))
    refused = codex.cfp("install", "--start", "--port", str(codex.port)).json
    assert ("invalid_upstream_url", True) == (refused["code"], "query_params" in refused["error"])
    codex.relay(table='query_params = { api-version = "7" }\n')
    codex.install()
    codex.turn()
    paths = [turn.path for turn in codex.upstream.turns]
    assert ["/v1/responses?api-version=7"] * 2 == paths


def test_nobody_is_signed_in_to_the_built_in_provider(machine: Machine) -> None:
    """No key of config.toml is blamed, and no table advised, that this provider cannot have."""
    machine.write("config.toml", f'model = "gpt-5.5"\nopenai_base_url = "{machine.upstream.base_url}"\n')
    refused = machine.cfp("install", "--start", "--port", str(machine.port)).json
    assert ("not_signed_in", "openai") == (refused["code"], refused["provider"])
    assert "requires_openai_auth" not in refused["error"]
    assert "For a provider that has a table" in refused["next_user_action"]


def test_an_uninstall_of_nothing(machine: Machine) -> None:
    """Says that there was nothing, and not that something was restored."""
    machine.relay()
    before = machine.files()
    ran = machine.cfp("uninstall")
    assert (0, "uninstalled", "no_manifest") == (ran.code, ran.json["status"], ran.json["config_restore"])
    assert "not installed" in ran.json["message"]
    assert "restored" not in ran.json["message"]
    assert before == machine.files()


def test_a_port_that_another_program_has(machine: Machine) -> None:
    """Doctor and the dry run name its owner and a free one, and the command that they name works."""
    machine.relay()
    port = ("--port", str(machine.port))
    with socket.create_server(("127.0.0.1", machine.port)):
        dry = machine.cfp("install", "--start", "--dry-run", *port)
        assert (2, "port_in_use") == (dry.code, dry.json["code"]), dry.transcript
        ran = machine.cfp("doctor", *port)
        (fix,) = {check["fix"] for check in ran.json["checks"] if check["code"] == "port_in_use"}
        assert fix == dry.json["next_user_action"]
        assert 2 == ran.code
    with socket.create_server(("127.0.0.1", machine.port)):
        free = fix.partition("--port ")[2].partition("`")[0]
        assert 0 == machine.cfp("install", "--start", "--port", free).code


def test_a_home_of_its_own_leaves_a_port_that_is_taken(machine: Machine) -> None:
    """A home other than the default one goes to another port by itself, so that port is no obstacle."""
    machine.relay()
    home = machine.root / "second" / ".codex"
    home.mkdir(parents=True)
    (home / "config.toml").write_bytes(machine.config.read_bytes())
    at_home = ("--codex-home", str(home))
    url = machine.cfp("install", "--dry-run", *at_home).json["base_url"]
    with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
        assert [] == failures(machine, *at_home)


def test_a_legacy_profile_of_an_older_codex(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """Codex 0.130 takes the profile's provider: that one is switched, and turns pass the proxy; 0.150 refuses."""
    version, machine.codex = each_codex
    machine.environ["PATH"] = os.pathsep.join((str(machine.codex.parent), os.environ["PATH"]))
    with Listener() as unused:
        url = machine.upstream.base_url
        other = f'[model_providers.other]\nname = "Other"\nbase_url = "{url}"\nenv_key = "{KEY_ENV}"\n'
        text = relay_config(unused.base_url, top='profile = "work"', table=other)
        machine.write("config.toml", text + '[profiles.work]\nmodel_provider = "other"\n')
        ran = machine.cfp("install", "--start", "--port", str(machine.port))
        if version >= PROFILE_REFUSED_SINCE:
            assert (2, "config_refused") == (ran.code, ran.json["code"]), ran.transcript
            return
        assert (0, "other") == (ran.code, ran.json["provider"]), ran.transcript
        served = machine.cfp("status").json["health"]["requests_served"]
        machine.turn()
        assert served < machine.cfp("status").json["health"]["requests_served"]
        assert () == unused.turns
    assert 0 == machine.cfp("uninstall").code
