"""The key that is sent is the key that Codex would send, and no other."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cfp.errors import Failed
from cfp.host.provider.keys import (
    CodexFiles,
    KeyLocation,
    KeySource,
    discover_key,
    sends_key,
    sends_login,
)

AUTH = json.dumps({"OPENAI_API_KEY": "sk-openai", "RELAY_KEY": "sk-relay-in-auth", "auth_mode": "apikey"}).encode()
OPENAI_ENV = {"OPENAI_API_KEY": "sk-openai-in-env"}


def config(**table: Any) -> dict[str, Any]:
    return {"model_providers": {"relay": {"name": "Relay", "base_url": "https://relay.example/v1", **table}}}


def files(
    doc: dict[str, Any],
    auth: bytes | None = None,
    dotenv: bytes | None = None,
    environ: dict[str, str] | None = None,
    user_environ: dict[str, str] | None = None,
) -> CodexFiles:
    return CodexFiles(config=doc, auth=auth, dotenv=dotenv, environ=environ or {}, user_environ=user_environ or {})


def discovered(
    doc: dict[str, Any],
    provider: str = "relay",
    *,
    auth: bytes | None = AUTH,
    dotenv: bytes | None = None,
    environ: dict[str, str] | None = None,
    **more: Any,
) -> tuple[str, str] | None:
    key = discover_key(files(doc, auth, dotenv, OPENAI_ENV if environ is None else environ), provider, **more)
    return None if key is None else (key.secret.reveal(), key.source)


class TestAuthCommand:
    """`[model_providers.X.auth]`: a program prints the key; each case was observed with Codex 0.169."""

    def run(self, script: str, **more: Any) -> tuple[str, str] | None:
        auth = {"command": sys.executable, "args": ["-c", f"import os, sys, time; {script}"], **more}
        return discovered(config(auth=auth), environ=dict(os.environ), dotenv=b"FROM_DOTENV=yes\n")

    def test_what_it_prints(self) -> None:
        """Stripped; .env is in its environment."""
        assert ("tok yes", "auth_command") == self.run(r"print('  tok', os.environ['FROM_DOTENV'], '\n')")

    def test_where_it_runs(self, tmp_path: Path) -> None:
        """In `cwd`."""
        assert (str(tmp_path), "auth_command") == self.run("print(os.getcwd())", cwd=str(tmp_path))

    @pytest.mark.parametrize(
        ("words", "patience", "reason"),
        [
            ("sys.exit(3)", 20_000, "ended with exit code 3"),
            ("print('sk-a'); print('sk-b', file=sys.stderr); sys.exit(1)", 20_000, "ended with exit code 1"),
            ("pass", 20_000, "printed nothing"),
            ("print('key', flush=True); time.sleep(30)", 200, "did not end within 0.2 s"),
        ],
    )
    def test_a_failure_is_named(self, words: str, patience: int, reason: str) -> None:
        """Empty or late output is no key either, no other key takes its place, and no output is repeated."""
        with pytest.raises(Failed) as caught:
            self.run(words, timeout_ms=patience)
        details = {"command": sys.executable, "reason": reason}
        assert ("auth_command_failed", details) == (caught.value.code, caught.value.details)
        assert sends_key(files(config(auth={"command": "sh"})), "relay")

    @pytest.mark.parametrize("auth", [{}, {"command": 1}])
    def test_a_table_without_a_program(self, auth: dict[str, Any]) -> None:
        """Gives no key: Codex does not start with it."""
        assert discovered(config(auth=auth)) is None

    @pytest.mark.parametrize(
        ("auth", "reason"),
        [
            ({"command": "sh", "args": "x"}, "is not a text, or its args are not a list"),
            ({"command": "no-such-program"}, "was not found"),
        ],
    )
    def test_a_table_that_cannot_run(self, auth: dict[str, Any], reason: str) -> None:
        """Is named."""
        with pytest.raises(Failed) as caught:
            discovered(config(auth=auth))
        assert ("auth_command_failed", reason) == (caught.value.code, caught.value.details["reason"])


def test_a_login_is_not_ours_to_send() -> None:
    """The providers that Codex would send a login of its own to are known, so that we send them nothing."""
    token = {"auth_mode": "personalAccessToken", "personal_access_token": "at-x"}
    for login in ({"auth_mode": "chatgpt", "tokens": {"access_token": "x"}}, token):
        signed_in = json.dumps(login).encode()
        wants = config(requires_openai_auth=True)
        beside = config(requires_openai_auth=True, http_headers={"Authorization": "Bearer sk-mine"})
        assert sends_login(files(wants, signed_in), "relay")
        assert sends_login(files(beside, signed_in), "relay")
        assert sends_login(files({}, signed_in), "openai")
        assert not sends_login(files(wants, AUTH), "relay")
        assert not sends_login(files(config(env_key="RELAY_KEY"), signed_in), "relay")
        assert not sends_login(files(config(), signed_in), "relay")
    assert sends_login(files(wants, None, None, {"CODEX_ACCESS_TOKEN": "at-x"}), "relay")


class TestEnvKey:
    DOC = config(env_key="RELAY_KEY")

    def test_dotenv_comes_first(self) -> None:
        """Codex lets .env override the environment."""
        expected = ("in-dotenv", "codex_dotenv:RELAY_KEY")
        assert expected == discovered(self.DOC, dotenv=b"RELAY_KEY=in-dotenv", environ={"RELAY_KEY": "in-env"})

    def test_then_the_environment(self) -> None:
        """A blank value in .env wins as well, and to Codex the variable is then missing."""
        expected = ("in-env", "process_env:RELAY_KEY")
        assert expected == discovered(self.DOC, dotenv=b"OTHER=x", environ={"RELAY_KEY": "in-env"})
        assert discovered(self.DOC, dotenv=b"RELAY_KEY= ", environ={"RELAY_KEY": "in-env"}) is None

    def test_never_auth_json(self) -> None:
        """Codex looks in .env and the environment alone: a key of that name in auth.json does not help it."""
        assert discovered(self.DOC, environ={"RELAY_KEY": " "}) is None
        assert discovered(config(env_key="OPENAI_API_KEY"), environ={}) is None
        assert sends_key(files(self.DOC, AUTH), "relay")

    @pytest.mark.parametrize("more", [{}, {"requires_openai_auth": True}, {"experimental_bearer_token": "tok"}])
    def test_a_missing_one_is_not_replaced(self, more: dict[str, Any]) -> None:
        """Codex stops where env_key is not set; an OpenAI key must not reach a relay."""
        assert discovered(config(env_key="OTHER_KEY", **more)) is None

    def test_names_of_codexs_own_are_not_read_from_dotenv(self) -> None:
        """Codex ignores CODEX_ names in .env, so we do not send them."""
        doc = config(env_key="CODEX_RELAY")
        assert discovered(doc, dotenv=b"CODEX_RELAY=x") is None
        assert discovered(doc, environ={"CODEX_RELAY": "y"}) == ("y", "process_env:CODEX_RELAY")


class TestWithoutEnvKey:
    def test_the_bearer_token_of_the_table(self) -> None:
        """It is in config.toml itself and beats a login."""
        doc = config(experimental_bearer_token="tok-1", requires_openai_auth=True)
        assert discovered(doc) == ("tok-1", "experimental_bearer_token")

    @pytest.mark.parametrize(("doc", "provider"), [(config(requires_openai_auth=True), "relay"), ({}, "openai")])
    def test_openai_auth_takes_the_login(self, doc: dict[str, Any], provider: str) -> None:
        """Only a provider that asks for OpenAI's login, or OpenAI itself, gets its key; no variable is read."""
        assert discovered(doc, provider) == ("sk-openai", "auth_json:OPENAI_API_KEY")

    @pytest.mark.parametrize(
        ("doc", "auth"),
        [
            ({}, b'{"OPENAI_API_KEY": "sk-old", "auth_mode": "chatgpt", "tokens": {}}'),
            ({}, b'{"OPENAI_API_KEY": "sk-old", "auth_mode": "chatgptAuthTokens"}'),
            ({}, b'{"OPENAI_API_KEY": null}'),
            ({}, b"not json"),
            ({}, None),
            ({"cli_auth_credentials_store": "keyring"}, AUTH),
            ({"cli_auth_credentials_store": "ephemeral"}, AUTH),
        ],
    )
    def test_a_key_that_codex_would_not_send_is_none(self, doc: dict[str, Any], auth: bytes | None) -> None:
        """A ChatGPT login sends a token of its own, and a keyring hides the file."""
        assert discovered(doc, "openai", auth=auth) is None

    def test_an_old_login_without_a_mode_is_a_key(self) -> None:
        """Codex prefers the key where a file holds both and no mode."""
        auth = b'{"OPENAI_API_KEY": "sk-1", "tokens": {"access_token": "t"}}'
        assert discovered({}, "openai", auth=auth) == ("sk-1", "auth_json:OPENAI_API_KEY")

    @pytest.mark.parametrize(
        ("doc", "provider"),
        [
            (config(), "relay"),
            (config(requires_openai_auth=False), "relay"),
            (config(requires_openai_auth="yes"), "relay"),
            ({}, "unknown"),
            ({}, "ollama"),
            ({"model_providers": {"ollama": {"env_key": "OPENAI_API_KEY"}}}, "ollama"),
            ({"model_providers": 3}, "relay"),
            ({"model_providers": {"relay": []}}, "relay"),
        ],
    )
    def test_a_provider_that_asks_for_none_gets_none(self, doc: dict[str, Any], provider: str) -> None:
        """Other keys in the home are not sent to a provider that wants none."""
        assert discovered(doc, provider) is None
        assert not sends_key(files(doc, AUTH), provider)

    def test_a_provider_that_expects_a_key(self) -> None:
        """A missing key is an error only where one is wanted."""
        assert sends_key(files(config(env_key="NO_SUCH")), "relay")
        assert sends_key(files(config(env_key="")), "relay")
        assert sends_key(files({}), "openai")

    def test_the_authorization_of_the_table(self) -> None:
        """A bearer key in http_headers, or in the variable of env_http_headers; another scheme is no key."""
        header = config(http_headers={"authorization": "bearer  sk-header"})
        variable = config(env_http_headers={"Authorization": "RELAY_AUTH"})
        basic = config(http_headers={"Authorization": "Basic c2s="})
        assert discovered(header) == ("sk-header", "http_headers")
        assert discovered(variable, environ={"RELAY_AUTH": "Bearer sk-v"}) == ("sk-v", "env_http_headers:RELAY_AUTH")
        assert discovered(variable, dotenv=b"RELAY_AUTH='Bearer sk-d'") == ("sk-d", "env_http_headers:RELAY_AUTH")
        assert discovered(basic) is None
        assert not sends_key(files(basic), "relay")

    def test_a_login_takes_the_place_of_that_authorization(self) -> None:
        """With requires_openai_auth Codex sends auth.json's key, and the header of the table only without a login."""
        doc = config(requires_openai_auth=True, http_headers={"Authorization": "Bearer sk-header"})
        assert discovered(doc) == ("sk-openai", "auth_json:OPENAI_API_KEY")
        assert discovered(doc, auth=None) == ("sk-header", "http_headers")

    @pytest.mark.parametrize("beside", [{"env_key": "RELAY_KEY"}, {"requires_openai_auth": True}])
    def test_a_table_that_codex_refuses(self, beside: dict[str, Any]) -> None:
        """With `auth` beside another key Codex does not start, so the program is not run."""
        doc = config(auth={"command": "sh", "args": ["-c", "echo key"]}, **beside)
        assert discovered(doc, environ={"RELAY_KEY": "sk", "PATH": "/usr/bin:/bin"}) is None
        assert sends_key(files(doc), "relay")


class TestNamedByTheUser:
    def test_the_override_variable(self) -> None:
        """.env, environment, Windows' user environment, auth.json: the first one that holds the name."""
        sources: list[tuple[dict[str, Any], KeyLocation]] = [
            ({"dotenv": b"UP=a", "environ": {"UP": "b"}}, KeyLocation.DOTENV),
            ({"environ": {"UP": "b"}, "user_environ": {"UP": "c"}}, KeyLocation.PROCESS_ENV),
            ({"user_environ": {"UP": "c"}, "auth": b'{"UP": "d"}'}, KeyLocation.WINDOWS_USER_ENV),
            ({"auth": b'{"UP": "d"}'}, KeyLocation.AUTH_JSON),
        ]
        empty: dict[str, Any] = {"auth": None, "dotenv": None, "environ": {}}
        for contents, location in sources:
            key = discover_key(files(config(), **{**empty, **contents}), "relay", source=KeySource.env("UP"))
            assert key is not None
            assert location == key.location

    def test_the_provider_auth_file(self) -> None:
        """The key of that provider alone."""
        data = b'{"version": 1, "providers": {"relay": {"api_key": "k-1"}, "other": {"api_key": "k-2"}}}'
        source = KeySource.provider_auth_file()
        assert discovered(config(), provider_auth_data=data, source=source) == ("k-1", "provider_auth_file")
        assert discovered(config(), "third", provider_auth_data=data, source=source) is None

    @pytest.mark.parametrize(
        "data", [None, b"", b"[]", b'{"providers": {"relay": "k"}}', b'{"providers": {"relay": {"api_key": 3}}}']
    )
    def test_a_broken_provider_auth_file_is_none(self, data: bytes | None) -> None:
        """It is the user's file and may hold anything."""
        assert discovered(config(), provider_auth_data=data, source=KeySource.provider_auth_file()) is None

    def test_a_name_in_auth_json(self) -> None:
        """--source-auth-key reads that name and no variable of the same name."""
        source = KeySource.auth_json("OPENAI_API_KEY")
        assert discovered(config(), source=source) == ("sk-openai", "auth_json:OPENAI_API_KEY")
        assert discovered(config(), auth=None, source=source) is None
