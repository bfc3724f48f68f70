"""`install --codex-key-env`: the real Codex, signed in with ChatGPT, sends the provider's key itself."""

from __future__ import annotations

import pytest

from tests.end_to_end.app import opened
from tests.end_to_end.harness import KEY, KEY_ENV, Machine, chatgpt_login, login_config, relay_config

NO_KEY = relay_config("URL").replace(f'env_key = "{KEY_ENV}"\n', "")
FLAG = ("--codex-key-env", KEY_ENV)


@pytest.mark.parametrize("text", [login_config("URL"), NO_KEY, relay_config("URL")], ids=["login", "none", "env_key"])
def test_the_key_goes_out_and_no_login(codex: Machine, text: str) -> None:
    """No copy of the key is kept, the App is still signed in, and an uninstall gives every byte back."""
    codex.write("config.toml", text.replace("URL", codex.upstream.base_url))
    codex.write("auth.json", chatgpt_login())
    codex.settle()
    before = codex.config.read_bytes()
    codex.upstream.login = "env_key" not in text  # Codex reads the catalogue with it while it is asked for its word
    planned = codex.cfp("install", "--dry-run", "--port", str(codex.port), *FLAG)
    assert (0, before) == (planned.code, codex.config.read_bytes()), planned.transcript
    assert "provider_key" == planned.json["identity_on_the_wire"]["direct"]
    installed = codex.install(*FLAG)
    assert f"process_env:{KEY_ENV}" == installed.json["verification"]["api_key_source"]
    codex.upstream.login = False
    seen = len(codex.upstream.received)
    turn = codex.turn()
    assert (f"Bearer {KEY}", None) == (turn.header("authorization"), turn.header("chatgpt-account-id"))
    assert [] == [one for one in codex.upstream.received[seen:] if one.header("chatgpt-account-id") is not None]
    with opened(codex) as app:
        assert "chatgpt" == app.auth_method()
    assert not (codex.state / "provider-auth.json").exists()
    assert "ready" == codex.cfp("status").json["diagnosis"]["code"]
    codex.install("--no-verify")  # an update
    assert f"Bearer {KEY}" == codex.turn().header("authorization")
    ran = codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall")
    assert (0, "restored") == (ran.code, ran.json["config_restore"]), ran.transcript
    assert before == codex.config.read_bytes()


def test_the_keys_are_taken_back(codex: Machine) -> None:
    """With the flag's opposite the provider gets what Codex sends without them, and the file is the user's again."""
    codex.write("config.toml", login_config(codex.upstream.base_url))
    codex.write("auth.json", chatgpt_login())
    codex.upstream.login = True
    codex.install(*FLAG)
    assert f'env_key = "{KEY_ENV}"' in codex.config.read_text()
    codex.install("--no-codex-key-env", "--no-verify")
    assert "env_key" not in codex.config.read_text()
    assert "chatgpt_login" == codex.cfp("status").json["identity_on_the_wire"]["direct"]


def test_a_variable_that_is_not_set_is_no_way(machine: Machine) -> None:
    """Codex would refuse each turn, so the install does, before it sends or writes anything."""
    machine.write("config.toml", login_config(machine.upstream.base_url))
    machine.write("auth.json", chatgpt_login())
    before = machine.files()
    ran = machine.cfp("install", "--start", "--port", str(machine.port), "--codex-key-env", "NOT_SET")
    assert (2, "codex_key_unset") == (ran.code, ran.json["code"]), ran.transcript
    assert "NOT_SET" in ran.json["error"]
    assert ((), before) == (machine.upstream.received, machine.files())


def test_the_advice_names_it_where_it_is_a_way(machine: Machine) -> None:
    """A provider with a table can have it, the built-in one cannot."""
    machine.write("auth.json", chatgpt_login())
    machine.write("config.toml", login_config(machine.upstream.base_url))
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert "`codex-fast-proxy install --start --codex-key-env NAME`" in ran.json["next_user_action"]
    machine.write("config.toml", f'openai_base_url = "{machine.upstream.base_url}"\nmodel = "gpt-5.5"\n')
    ran = machine.cfp("install", "--start", "--port", str(machine.port))
    assert ("chatgpt_login_not_sent", False) == (ran.json["code"], "--codex-key-env" in ran.json["next_user_action"])
