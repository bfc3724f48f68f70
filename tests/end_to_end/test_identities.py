"""The prediction of the identity on the wire, beside the real Codex: directly, and through our worker.

A test is one login of one version; each of its cells is one turn with another table in config.toml.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from cfp.codex import config_toml
from cfp.codex.auth_json import login
from cfp.core.identities import LOGIN_GATED_SINCE, UNREADABLE_IGNORED_SINCE, Identity, Version, predicted_identity
from cfp.demo.provider import Received
from tests.crash.sizes import size
from tests.end_to_end.harness import (
    KEY,
    KEY_ENV,
    Machine,
    api_key_login,
    built_in_config,
    chatgpt_login,
    printing,
    relay_config,
)
from tests.end_to_end.listeners import Listener, account_server, received

AUTH_JSON_KEY = "sk-of-auth-json"
SPLIT_ENV, SPLIT_KEY = "SPLIT_KEY", "sk-kept-by-the-proxy"
ACCOUNT = "account-of-a-token"
# An Ed25519 key that nobody registered: PKCS #8 around 32 bytes of seven.
_AGENT_KEY: Final = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + b"\7" * 32).decode()
_AGENT: Final = {
    "agent_runtime_id": "agent-1",
    "agent_private_key": _AGENT_KEY,
    "account_id": ACCOUNT,
    "chatgpt_user_id": "user-1",
    "email": "u@example.invalid",
    "plan_type": "pro",
    "chatgpt_account_is_fedramp": False,
}
_CHATGPT: Final = json.loads(chatgpt_login())
LOGINS: Final[dict[str, Any]] = {
    "nobody": None,
    "api key": {"auth_mode": "apikey", "OPENAI_API_KEY": AUTH_JSON_KEY},
    "chatgpt": _CHATGPT,
    "both": {**_CHATGPT, "OPENAI_API_KEY": AUTH_JSON_KEY},
    "both, no mode": {"OPENAI_API_KEY": AUTH_JSON_KEY, "tokens": _CHATGPT["tokens"]},
    "personal access token": {
        "auth_mode": "personalAccessToken",
        "OPENAI_API_KEY": None,
        "personal_access_token": "at-canary",
    },
    "agent identity": {"auth_mode": "agentIdentity", "OPENAI_API_KEY": None, "agent_identity": _AGENT},
    "unreadable": "{",
}
# The provider's own keys, each with a canary of its own, and the text in the provider's table.
AUTHS: Final[dict[str, str]] = {
    KEY: f'env_key = "{KEY_ENV}"\n',
    "": 'env_key = "NOT_SET"\n',
    "sk-of-bearer": 'experimental_bearer_token = "sk-of-bearer"\n',
    "sk-of-header": 'http_headers = { Authorization = "Bearer sk-of-header" }\n',
    "sk-of-command": "\n".join(("[model_providers.relay.auth]", *printing("sk-of-command"), "")),
    "none": "",
}
CELLS: Final = list(enumerate(itertools.product(AUTHS, (True, False))))
# The gate runs every third cell through the proxy, other ones with each login; `nox -s codex_versions` runs all.
STRIDE: Final = size("IDENTITY_STRIDE", 3, 1)
_NO_RETRIES: Final = "request_max_retries = 0\nstream_max_retries = 0\n"
RECORDS_SINCE: Final = (0, 148)  # of agent identities in auth.json; earlier versions keep a JWT there


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A machine on which one login meets all the tables."""

    machine: Machine
    version: Version
    accounts: str
    number: int  # of the login

    def configure(self, auth: str, requires: bool, base_url: str, cell: int) -> None:  # noqa: FBT001 - a cell's column
        """Write config.toml of one cell; requests of the cell carry its number."""
        flag = f'requires_openai_auth = {str(requires).lower()}\nquery_params = {{ cell = "{cell}" }}\n'
        top = f'chatgpt_base_url = "{self.accounts}/backend-api"\n'
        text = relay_config(base_url, top=top, table=_NO_RETRIES + flag)
        self.machine.write("config.toml", text.replace(f'env_key = "{KEY_ENV}"\n', "") + AUTHS[auth])

    def prediction(self, provider: str = "relay") -> Identity:
        """Return the identity that the program expects of these files and this environment."""
        config = config_toml.parse(self.machine.config.read_bytes())
        auth = self.machine.home / "auth.json"
        names = [name for name, value in self.machine.environment().items() if value]
        kind = login(auth.read_bytes() if auth.exists() else None, None)
        return predicted_identity(config, provider, kind, names, self.version)

    @property
    def is_foreign(self) -> bool:
        """Whether auth.json has an agent identity in a shape that this version refuses to read."""
        auth = self.machine.home / "auth.json"
        return self.version < RECORDS_SINCE and auth.exists() and "agentIdentity" in auth.read_text()

    def sent(self, cell: int | None = None) -> Identity:
        """Run a turn and return the one identity that all of its requests have at the provider."""
        before = len(self.machine.upstream.received)
        ran = self.machine.codex_exec()
        requests = [
            request
            for request in self.machine.upstream.received[before:]
            if cell is None or f"cell={cell}" in request.path
        ]
        if not any(request.method == "POST" for request in requests):
            assert (1, []) == (ran.code, requests), ran.transcript
            return Identity.CODEX_REFUSES
        assert 0 == ran.code, ran.transcript
        (identity,) = {identity_of(request) for request in requests}
        return identity


def identity_of(request: Received) -> Identity:
    """Return the identity of a request, from its canary; a login has an account id, a key never."""
    authorization = request.header("authorization") or ""
    kinds = {
        "": Identity.NONE,
        f"Bearer {AUTH_JSON_KEY}": Identity.OPENAI_API_KEY,
        f"Bearer {_CHATGPT['tokens']['access_token']}": Identity.CHATGPT_LOGIN,
        "Bearer at-canary": Identity.PERSONAL_ACCESS_TOKEN,
        **{f"Bearer {key}": Identity.PROVIDER_KEY for key in (*AUTHS, SPLIT_KEY)},
    }
    identity = Identity.AGENT_IDENTITY if authorization.startswith("AgentAssertion ") else kinds[authorization]
    assert identity.may_be_a_login == (request.header("chatgpt-account-id") is not None)
    return identity


@pytest.fixture(params=LOGINS)
def signed_in(request: pytest.FixtureRequest, machine: Machine, codex_version: Version) -> Iterator[Bench]:
    """The machine, signed in; its provider accepts every key."""
    auth = LOGINS[request.param]
    if auth is not None:
        machine.write("auth.json", auth if isinstance(auth, str) else json.dumps(auth))
    machine.upstream.key = None
    machine.upstream.keys |= {AUTH_JSON_KEY, SPLIT_KEY, *AUTHS} - {""}
    with account_server(ACCOUNT) as accounts:
        machine.environ |= {
            "CODEX_AUTHAPI_BASE_URL": f"{accounts}/auth",
            "CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL": f"{accounts}/auth",
            "CODEX_AGENT_IDENTITY_JWKS_BASE_URL": f"{accounts}/backend-api",
            SPLIT_ENV: SPLIT_KEY,
        }
        number = list(LOGINS).index(request.param)
        yield Bench(machine=machine, version=codex_version, accounts=accounts, number=number)


def test_directly(signed_in: Bench, codex: Machine) -> None:
    """Without the proxy, Codex sends in every cell what is predicted for its version, by the built-in provider too.

    It is the direct case, in which a login may reach the provider. A version that cannot read the login's shape sends
    nothing, where the careful prediction is a login.
    """
    codex.upstream.login = True
    wrong = []
    for cell, (auth, requires) in CELLS:
        signed_in.configure(auth, requires, codex.upstream.base_url, cell)
        prediction, identity = signed_in.prediction(), signed_in.sent(cell)
        if (Identity.CODEX_REFUSES if signed_in.is_foreign else prediction) is not identity:
            wrong.append((auth, requires, prediction, identity))
    top = f'chatgpt_base_url = "{signed_in.accounts}/backend-api"\n'
    codex.write("config.toml", f'model = "gpt-5.5"\nopenai_base_url = "{codex.upstream.base_url}"\n{top}')
    built_in = Identity.CODEX_REFUSES if signed_in.is_foreign else signed_in.prediction("openai")
    assert ([], built_in) == (wrong, signed_in.sent())


@pytest.mark.parametrize("split", [True, False], ids=["split", "preserved"])
def test_through_the_proxy(signed_in: Bench, codex: Machine, split: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """The cells through one real worker: status says it beforehand, and warns exactly where a login arrives.

    With the split on, no login may come (the listener sees to that); preserved, it is as without the proxy.
    """
    codex.upstream.login = not split
    codex.relay()
    codex.install("--no-verify", *(["--upstream-api-key-env", SPLIT_ENV] if split else []))
    wrong = []
    for cell, (auth, requires) in CELLS[(signed_in.number + split) % STRIDE :: STRIDE]:
        signed_in.configure(auth, requires, f"http://127.0.0.1:{codex.port}/v1", cell)
        status = codex.cfp("status").json
        identity, expected = signed_in.sent(cell), status["identity_on_the_wire"]
        warned = status["diagnosis"]["code"] == "chatgpt_auth_preserved"
        if signed_in.is_foreign:
            assert Identity.CODEX_REFUSES is identity
        elif identity != expected["through_proxy"] or warned != identity.may_be_a_login:
            wrong.append((auth, requires, expected, identity, status["diagnosis"]["code"]))
        if split and identity is Identity.PROVIDER_KEY:
            assert f"Bearer {SPLIT_KEY}" == codex.upstream.turns[-1].header("authorization")
        if not split:
            assert expected["direct"] == expected["through_proxy"]
    assert [] == wrong


@pytest.mark.posix("older releases of Codex, which are fetched for Linux")
def test_a_login_that_only_an_older_codex_sends(machine: Machine, each_codex: tuple[Version, Path]) -> None:
    """No key and no requires_openai_auth: status and uninstall read the installed version, and warn by it."""
    version, program = each_codex
    old = version < LOGIN_GATED_SINCE
    machine.environ["PATH"] = os.pathsep.join((str(program.parent), os.environ["PATH"]))
    text = relay_config(machine.upstream.base_url).replace(f'env_key = "{KEY_ENV}"\n', "")
    machine.write("config.toml", text)
    machine.write("auth.json", chatgpt_login())
    machine.upstream.key, machine.upstream.login = None, old
    machine.install("--no-verify")
    assert old == (machine.cfp("status").json["diagnosis"]["code"] == "chatgpt_auth_preserved")
    assert (4 if old else 0) == machine.cfp("uninstall").code


@pytest.mark.posix("older releases of Codex, which are fetched for Linux")
@pytest.mark.parametrize("base", ["relay", "built-in"])
def test_a_login_that_an_older_codex_refuses(machine: Machine, each_codex: tuple[Version, Path], base: str) -> None:
    """An auth.json with a byte order mark: before 0.147 each turn ends with an error, and status says so."""
    version, program = each_codex
    refuses = version < UNREADABLE_IGNORED_SINCE
    machine.codex = program
    machine.environ["PATH"] = os.pathsep.join((str(program.parent), os.environ["PATH"]))
    machine.upstream.key = None
    text = relay_config(machine.upstream.base_url, table=_NO_RETRIES + "requires_openai_auth = true\n")
    built_in = base == "built-in"
    machine.write(
        "config.toml",
        built_in_config(machine.upstream.base_url) if built_in else text.replace(f'env_key = "{KEY_ENV}"\n', ""),
    )
    machine.install("--no-verify")
    machine.write("auth.json", "\ufeff" + api_key_login())
    status = machine.cfp("status").json
    assert refuses == (status["diagnosis"]["code"] == "codex_refuses")
    assert refuses == (status["identity_on_the_wire"]["direct"] == "codex_refuses")
    assert refuses == (machine.codex_exec().code == 1)


def test_the_built_in_provider_at_a_third_party(codex: Machine) -> None:
    """openai_base_url leads to a third party: status warns of the login that arrives there, and uninstall asks."""
    codex.write(
        "config.toml", built_in_config(codex.upstream.base_url, top=f'chatgpt_base_url = "{codex.nowhere}"\n')
    )
    codex.write("auth.json", json.dumps(_CHATGPT))  # the token has its time of issue
    codex.upstream.key, codex.upstream.login = None, True
    before = codex.files()
    codex.install("--no-verify")
    status = codex.cfp("status").json
    assert "chatgpt_auth_preserved" == status["diagnosis"]["code"]
    assert not status["chatgpt_login_compatible"]
    assert Identity.CHATGPT_LOGIN is identity_of(codex.turn())
    assert 4 == codex.cfp("uninstall").code
    assert 0 == codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code
    assert before["config.toml"] == codex.files()["config.toml"]


# ---- The guard of all tests of this folder ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("another provider's key", ("authorization", "Bearer sk-of-another")),
        ("another provider's key", ("x-api-key", "sk-of-another")),
        ("ChatGPT token", ("authorization", f"Bearer {_CHATGPT['tokens']['access_token']}")),
        ("personal access token", ("authorization", "Bearer at-canary")),
        ("agent identity", ("authorization", "AgentAssertion e30")),
        ("chatgpt-account-id", ("chatgpt-account-id", "account-1")),
        ("cookie", ("cookie", "a=b")),
    ],
)
def test_a_foreign_identity_is_seen(name: str, header: tuple[str, str]) -> None:
    """The guard names each kind, wherever it stands in the request, and not its value; its own key is no finding."""
    listener = Listener(key=KEY)
    assert [] == listener.foreign_identities()
    listener.record(received("POST", "/v1/responses", ("authorization", f"Bearer {KEY}")))
    assert [] == listener.foreign_identities()
    listener.record(received("GET", "/v1/models", header))
    listener.record(received("POST", "/v1/responses", body=header[1].encode()))
    lines = listener.foreign_identities()
    assert f"GET /v1/models: {name}" == lines[0]
    assert header[1] not in "".join(lines)
    listener.login = True
    listener.keys.add("sk-of-another")
    assert [] == listener.foreign_identities()
    listener.close()


def test_every_listener_is_guarded() -> None:
    """No test of this folder starts an embedded provider past the guard."""
    folder = Path(__file__).parent
    others = set(folder.glob("*.py")) - {Path(__file__), folder / "listeners.py"}
    past = [path.name for path in others if "DemoProvider" in path.read_text(encoding="utf-8")]
    assert [] == past


def test_keys_of_two_providers_stay_apart(codex: Machine) -> None:
    """Two providers in one file: with the proxy on for one, each gets its own key alone, also after an uninstall."""
    with Listener(key="sk-of-the-second") as second:
        other = (
            f'\n[model_providers.second]\nname = "Second"\nbase_url = "{second.base_url}"\nenv_key = "SECOND_KEY"\n'
        )
        codex.environ["SECOND_KEY"] = "sk-of-the-second"
        codex.relay(table=other)
        for command in (codex.install, lambda: codex.cfp("uninstall")):
            command()
            for provider, listener in (("relay", codex.upstream), ("second", second)):
                before = len(listener.turns)
                assert 0 == codex.codex_exec("-c", f'model_provider="{provider}"').code
                assert before + 1 == len(listener.turns)
