"""A provider table's `model_catalog_url`, which Codex (0.169 and later) fetches directly, and a ChatGPT login."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.harness import KEY, KEY_ENV, Machine, chatgpt_login, printing, relay_config
from tests.end_to_end.listeners import Listener

FETCHES = pytest.mark.codex_since("0.169", "an earlier one does not know the key")

_SPLIT = ("--upstream-api-key-env", KEY_ENV)


def _signed_in(codex: Machine, catalog: str, *, table: str = "requires_openai_auth = true\n") -> str:
    """Give the home a ChatGPT login and a provider that wants it, with this catalogue; return config.toml."""
    text = relay_config(codex.upstream.base_url, table=f"model_catalog_url = '{catalog}'  # mine\n{table}")
    text = text.replace(f'env_key = "{KEY_ENV}"\n', "")
    codex.write("config.toml", text)
    codex.write("auth.json", chatgpt_login())
    return text


def _origin(provider: Listener) -> str:
    return provider.base_url.removesuffix("/v1")


def _token() -> str:
    return str(json.loads(chatgpt_login())["tokens"]["access_token"])[:20]


def _catalog_requests(provider: Listener, path: str) -> list[tuple[str | None, str | None]]:
    """Return authorization and account id of each request for a catalogue."""
    return [
        (request.header("authorization"), request.header("chatgpt-account-id"))
        for request in provider.received
        if request.method == "GET" and request.path.startswith(path)
    ]


def _check(codex: Machine) -> str:
    """Return the code of doctor's check of the catalogue."""
    (check,) = (check for check in codex.cfp("doctor").json["checks"] if check["name"] == "model_catalog")
    return str(check["code"])


@pytest.mark.parametrize(
    "path", [pytest.param("/v1/models?of=mine", marks=FETCHES), pytest.param("/catalog.json", marks=FETCHES), "/"]
)
def test_a_catalogue_of_the_provider_gets_its_key(codex: Machine, path: str) -> None:
    """In split mode no request carries the ChatGPT token, wherever the catalogue is; the file comes back whole."""
    before = _signed_in(codex, _origin(codex.upstream) + path)
    codex.install(*_SPLIT)
    codex.turn()
    requests = _catalog_requests(codex.upstream, path)
    assert requests
    assert {(f"Bearer {KEY}", None)} == set(requests)
    assert not [request for request in codex.upstream.received if _token() in str(request.headers)]
    assert 0 == codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code
    assert before == codex.config.read_text()


@FETCHES
def test_without_the_split_the_key_is_the_users(codex: Machine) -> None:
    """A provider with a key of its own: the catalogue is fetched as the user wrote it, from any address."""
    with Listener(keys={KEY}) as other:
        table = f"model_catalog_url = '{_origin(other)}/v1/models'\n"
        codex.relay(table=table)
        codex.install()
        codex.turn()
        assert table in codex.config.read_text()
        assert {(f"Bearer {KEY}", None)} == set(_catalog_requests(other, "/v1/models"))


def test_set_upstream_moves_it_and_gives_it_back(codex: Machine) -> None:
    """The split may come and go while the proxy is on; with it, no request carries the token."""
    codex.upstream.login = True  # until the split is on
    before = _signed_in(codex, f"{_origin(codex.upstream)}/v1/models?of=mine")
    codex.install("--no-verify")
    on = codex.config.read_text()
    assert 0 == codex.cfp("set-upstream", *_SPLIT, "--restart").code
    count = len(codex.upstream.received)
    codex.turn()
    sent = codex.upstream.received[count:]
    assert ["GET", "POST"] == sorted({request.method for request in sent})
    assert {f"Bearer {KEY}"} == {request.header("authorization") for request in sent}
    assert 0 == codex.cfp("set-upstream", "--clear-upstream-auth", "--no-verify").code
    assert on == codex.config.read_text()
    assert 0 == codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code
    assert before == codex.config.read_text()


@pytest.mark.parametrize("verb", ["install", "set-upstream", "run"])
def test_another_address_is_refused(codex: Machine, verb: str) -> None:
    """The split is refused where Codex would send its login elsewhere; the refusal names the key and the host."""
    with Listener(login=True) as other:  # without the split its catalogue gets the login
        _signed_in(codex, f"{_origin(other)}/v1/models")
        words = {
            "install": ("install", "--start", "--port", str(codex.port), *_SPLIT),
            "set-upstream": ("set-upstream", *_SPLIT),
            "run": ("run", *_SPLIT, "--", "codex", "exec", "--skip-git-repo-check", "Say hello"),
        }[verb]
        if verb == "set-upstream":
            codex.install("--no-verify")
        before, count = codex.files(), len(other.received)  # without the split, its own Codex read the catalogue
        ran = codex.cfp(*words)
        assert (2, "catalog_past_proxy") == (ran.code, ran.json["code"]), ran.transcript
        host = _origin(other).removeprefix("http://")
        assert all(word in ran.json["error"] for word in ("model_providers.relay.model_catalog_url", host))
        assert (before, count) == (codex.files(), len(other.received))


def test_a_key_that_comes_later_is_reported(codex: Machine) -> None:
    """The user adds the key to an enabled home: status and doctor name it, and install moves it or refuses."""
    codex.upstream.login = True  # by the key that is added here, past the proxy
    added = f"model_catalog_url = '{_origin(codex.upstream)}/v1/models'  # mine\n"
    text = _signed_in(codex, "x")
    before = text.replace("model_catalog_url = 'x'  # mine\n", "")
    codex.write("config.toml", before)
    codex.install(*_SPLIT)
    codex.config.write_text(codex.config.read_text().replace("requires_openai_auth", added + "requires_openai_auth"))
    diagnosis = codex.cfp("status").json["diagnosis"]
    assert ("risk", "catalog_receives_login") == (diagnosis["level"], diagnosis["code"])
    assert "catalog_receives_login" == _check(codex)
    codex.install(*_SPLIT)
    count = len(codex.upstream.received)  # until here Codex read the catalogue with its login, for doctor too
    assert "ok" == _check(codex)
    codex.turn()
    sent = codex.upstream.received[count:]
    assert {"/v1/models", "/v1/responses"} == {request.path.partition("?")[0] for request in sent}
    assert {f"Bearer {KEY}"} == {request.header("authorization") for request in sent}
    assert 0 == codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code
    assert before.replace("requires_openai_auth", added + "requires_openai_auth") == codex.config.read_text()


def test_a_temporary_proxy(codex: Machine) -> None:
    """`run` with the split gives Codex the proxy's URL for the catalogue too, and leaves the file alone."""
    before = _signed_in(codex, f"{_origin(codex.upstream)}/v1/models?of=mine")
    ran = codex.cfp("run", *_SPLIT, "--", "codex", "exec", "--skip-git-repo-check", "Say hello")
    assert 0 == ran.code, ran.transcript
    assert {f"Bearer {KEY}"} == {request.header("authorization") for request in codex.upstream.received}
    assert _catalog_requests(codex.upstream, "/v1/models")
    assert before == codex.config.read_text()


@FETCHES
def test_a_gateway_and_its_catalogue_move_together(codex: Machine) -> None:
    """Codex refuses `gateway_oauth` with a catalogue at another address than `base_url`: both are the proxy's."""
    table = (
        "requires_openai_auth = true\n[model_providers.relay.gateway_oauth]\n"
        'delivery = { kind = "header", name = "X-Gateway" }\n'
        "[model_providers.relay.gateway_oauth.credential_export]\n" + "\n".join((*printing("token"), ""))
    )
    before = _signed_in(codex, f"{_origin(codex.upstream)}/v1/models?of=mine", table=table)
    codex.install(*_SPLIT)
    turn = codex.turn()
    assert (f"Bearer {KEY}", "Bearer token") == (turn.header("authorization"), turn.header("x-gateway"))
    assert {(f"Bearer {KEY}", None)} == set(_catalog_requests(codex.upstream, "/v1/models"))
    assert 0 == codex.cfp("uninstall", "--confirm-chatgpt-direct-uninstall").code
    assert before == codex.config.read_text()
