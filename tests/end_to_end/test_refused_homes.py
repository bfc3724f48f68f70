"""Homes that the real Codex does not load: no install, and never `ready`."""

from __future__ import annotations

import json
import sys

import pytest

from tests.end_to_end.harness import Machine, relay_config

STOP = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true", "timeout": "5"}]}]}}
TOP = {
    "bad_enum": ('approval_policy = "sometimes"', "", "unknown variant `sometimes`"),
    "legacy_profile": ('profile = "work"', '[profiles.work]\nmodel = "x"\n', "legacy `profile"),
    "wire_api": ("", "experimental_bearer_token = 5\n", "invalid type: integer `5`"),
    "reserved": ("", '[model_providers.openai]\nname = "x"\n', "reserved built-in provider IDs: `openai`"),
    "hooks_array": ("", "[[hooks]]\nevent = 'SessionStart'\n", "expected struct HooksToml"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.codex_since("0.140", "`profile` selects a table before"))
        if case == "legacy_profile"
        else case
        for case in TOP
    ],
)
def test_a_config_that_codex_refuses(codex: Machine, case: str) -> None:
    """Install refuses with Codex's own words before it writes; status and doctor repeat them, before and after."""
    top, table, words = TOP[case]
    text = relay_config(codex.upstream.base_url, top=top, table=table)
    codex.write("config.toml", text)
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, "config_refused") == (ran.code, ran.json["code"])
    assert words in ran.json["error"]
    assert text.encode() == codex.config.read_bytes()
    assert not codex.hooks.exists()
    assert not codex.state.exists()
    assert codex.codex_exec().code == 1


def test_a_config_that_is_broken_later(codex: Machine) -> None:
    """A provider without a name, after the install: status and doctor say what Codex says, and uninstall works."""
    codex.relay()
    codex.install()
    codex.config.write_text(codex.config.read_text().replace('name = "Relay"', ""))
    status, doctor = codex.cfp("status").json, codex.cfp("doctor").json
    for diagnosis in (status["diagnosis"], doctor["diagnosis"]):
        assert diagnosis["code"] == "config_refused"
        assert "provider name must not be empty" in diagnosis["message"]
    assert [False] == [check["ok"] for check in doctor["checks"] if check["name"] == "codex_config"]
    assert codex.codex_exec().code == 1
    assert codex.cfp("uninstall").code == 0


def test_a_provider_that_no_file_defines(codex: Machine) -> None:
    """The remedy is the one that works: --activate-provider, or a line of config.toml."""
    codex.write("config.toml", relay_config(codex.upstream.base_url).replace('"relay"', '"gone"', 1))
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, "provider_undefined") == (ran.code, ran.json["code"])
    codex.install("--provider", "relay", "--activate-provider")
    codex.turn()


def test_hooks_that_codex_drops(codex: Machine) -> None:
    """One handler of a wrong form: no install beside it, and after it no word of a hook that runs."""
    codex.relay()
    codex.write("hooks.json", json.dumps(STOP))
    ran = codex.cfp("install", "--start", "--port", str(codex.port))
    assert (2, "hooks_unparseable") == (ran.code, ran.json["code"])
    assert "expected u64" in ran.json["error"]
    assert json.dumps(STOP) == codex.hooks.read_text()


def test_a_home_without_a_cli_is_read_as_strictly(machine: Machine) -> None:
    """The very homes, where no Codex is there to be asked."""
    for top, table, _ in TOP.values():
        machine.write("config.toml", relay_config(machine.upstream.base_url, top=top, table=table))
        machine.environ["PATH"] = ""
        ran = machine.cfp("install", "--start", "--port", str(machine.port))
        assert (2, "config_refused") == (ran.code, ran.json["code"])
        assert machine.cfp("status").json["diagnosis"]["code"] == "config_refused"


FUTURE_CODEX = """\
import json, pathlib, sys

text = pathlib.Path(HOME, "config.toml").read_text()
refused = "127.0.0.1:PORT" in text
errors = [{"path": HOME, "message": "this Codex takes no loopback URL"}] if refused else []
answers = {
    "initialize": {"result": {"userAgent": "x/0.999.0 (x)"}},
    "hooks/list": {"result": {"data": [{"hooks": [], "warnings": [], "errors": errors}]}},
    "config/read": {"error": {}} if refused else {"result": {"config": {"model_provider": "relay"}}},
    "configRequirements/read": {"result": {"requirements": None}},
    "model/list": {"result": {"data": []}},
}
if "--version" in sys.argv:
    print("codex-cli 0.999.0")
for line in sys.stdin if "app-server" in sys.argv else ():
    message = json.loads(line)
    if "id" in message:
        print(json.dumps({"id": message["id"], **answers[message["method"]]}), flush=True)
"""


@pytest.mark.posix("a program in the place of Codex")
def test_codex_is_asked_again_after_the_switch(machine: Machine) -> None:
    """A Codex that would not use what was written: the command ends with exit code 2, and repeats Codex's words."""
    machine.relay()
    folder = machine.root / "bin"
    folder.mkdir()
    source = FUTURE_CODEX.replace("PORT", str(machine.port)).replace("HOME", repr(str(machine.home)))
    (folder / "codex").write_text(f"#!{sys.executable} -IS\n{source}")
    (folder / "codex").chmod(0o755)
    machine.environ["PATH"] = f"{folder}:/usr/bin:/bin"
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert (2, "installed") == (ran.code, ran.json["status"]), ran.transcript
    assert "config_refused" in ran.json["warnings"]
    assert "this Codex takes no loopback URL" in ran.json["message"]
    assert ran.json["startup_hook"]["runs"] is False
    assert machine.cfp("status").json["diagnosis"]["code"] == "config_refused"
    assert machine.cfp("uninstall").code == 0
