"""The table of identities: total, as measured, and with the properties on which warnings and confirmations rest."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from cfp.codex.auth_json import Login
from cfp.core.identities import (
    LOGIN_GATED_SINCE,
    TABLE,
    Identity,
    ProviderAuth,
    Version,
    direct_identity,
    identity_through_proxy,
    predicted_identity,
    provider_auth,
    requires_openai_auth,
)

MEASURED = Path(__file__).parents[2] / "fixtures" / "identities.txt"
VERSIONS: tuple[Version, ...] = ((0, 130, 0), (0, 137), (0, 138), (0, 146, 9), (0, 147), (0, 148), (0, 149), (0, 171))
CELLS = list(itertools.product(ProviderAuth, Login, (True, False)))


def _measured() -> list[tuple[ProviderAuth, Login, bool, Version, Identity]]:
    """Read the measured cells: the versions stand in the heading."""
    heading, *rows = (line.split() for line in MEASURED.read_text().splitlines())
    versions = [tuple(map(int, version.split("."))) for version in heading[-3:]]
    return [
        (ProviderAuth(auth), Login(login), requires == "true", version, Identity(identity))
        for login, auth, requires, *identities in rows
        for version, identity in zip(versions, identities, strict=True)
    ]


def test_the_measurement_is_predicted() -> None:
    """Every cell that was measured is what the table says, and the measurement has all that can be measured."""
    cells = _measured()
    wrong = [
        (auth, login, requires, version, identity, prediction)
        for auth, login, requires, version, identity in cells
        if identity
        is not (prediction := direct_identity(auth, login, requires_openai_auth=requires, version=version))
    ]
    assert [] == wrong
    logins = set(Login) - {Login.UNKNOWN, Login.UNREADABLE, Login.BEDROCK, Login.WORKLOAD_IDENTITY}
    auths = set(ProviderAuth) - {ProviderAuth.OTHER, ProviderAuth.INVALID, ProviderAuth.BLANK_BEARER_TOKEN}
    assert set(itertools.product(auths, logins, (True, False))) <= {cell[:3] for cell in cells}


def test_the_table_is_total_and_every_row_is_needed() -> None:
    """Each cell of each version has an identity, and each row decides a cell that no earlier row decides."""
    used = set()
    for (auth, login, requires), version in itertools.product(CELLS, (*VERSIONS, (1, 0), ())):
        assert direct_identity(auth, login, requires_openai_auth=requires, version=version) in Identity
        cell: dict[str, Any] = {"requires_openai_auth": requires, "version": version}
        used.add(next(index for index, row in enumerate(TABLE) if row.matches(auth, login, **cell)))
    assert set(range(len(TABLE))) == used


def test_an_unknown_version_is_the_newest() -> None:
    """No version and a version of the future are the last that was measured."""
    for auth, login, requires in CELLS:
        answers = {
            direct_identity(auth, login, requires_openai_auth=requires, version=version)
            for version in (None, (0, 171), (0, 999), (1, 0, 0))
        }
        assert 1 == len(answers)


def test_versions_differ_only_where_it_is_written() -> None:
    """The cells in which 0.130 is not 0.171: the login without requires_openai_auth, and logins that 0.130 lacks."""
    differing = {
        (auth, login, requires)
        for auth, login, requires in CELLS
        if direct_identity(auth, login, requires_openai_auth=requires, version=(0, 130))
        is not direct_identity(auth, login, requires_openai_auth=requires)
    }
    too_new = {Login.UNREADABLE, Login.PERSONAL_ACCESS_TOKEN}
    refused = {(ProviderAuth.COMMAND, True), *itertools.product((ProviderAuth.INVALID, ProviderAuth.ENV_KEY_UNSET),
                                                                (True, False))}  # fmt: skip
    expected = {
        (auth, login, requires)
        for auth, login, requires in CELLS
        if (login in too_new and (auth, requires) not in refused)
        or (login not in {Login.NONE, *too_new} and auth in {ProviderAuth.NONE, ProviderAuth.HEADER} and not requires)
    }
    assert expected == differing


@pytest.mark.parametrize("version", VERSIONS)
def test_a_login_reaches_a_provider_only_where_no_key_of_its_own_is_in_the_way(version: Version) -> None:
    """A provider with a key in env_key, a bearer token or a command never gets a login or auth.json's key."""
    own = (ProviderAuth.ENV_KEY, ProviderAuth.BEARER_TOKEN, ProviderAuth.COMMAND)
    for auth, login, requires in itertools.product(own, Login, (True, False)):
        identity = direct_identity(auth, login, requires_openai_auth=requires, version=version)
        assert identity in {Identity.PROVIDER_KEY, Identity.CODEX_REFUSES}
    for auth, requires in itertools.product(ProviderAuth, (True, False)):
        identity = direct_identity(auth, Login.NONE, requires_openai_auth=requires, version=version)
        assert identity is Identity.UNKNOWN if auth is ProviderAuth.OTHER else not identity.may_be_a_login


def test_the_login_is_gated() -> None:
    """From 0.149 on a login reaches only a provider with requires_openai_auth."""
    for auth, login in itertools.product(set(ProviderAuth) - {ProviderAuth.OTHER}, Login):
        identity = direct_identity(auth, login, requires_openai_auth=False, version=LOGIN_GATED_SINCE)
        assert identity in {Identity.PROVIDER_KEY, Identity.NONE, Identity.CODEX_REFUSES}


def test_the_split_keeps_every_login_from_the_provider() -> None:
    """With the proxy's own key, the provider gets that key or nothing; without it, exactly what Codex sends."""
    for identity in Identity:
        split = identity_through_proxy(identity, overrides_auth=True)
        assert split in {Identity.PROVIDER_KEY, Identity.CODEX_REFUSES}
        assert identity is identity_through_proxy(identity, overrides_auth=False)


def test_what_is_not_known_counts_as_a_login() -> None:
    """A login in the keyring, or an auth that was not measured, leads to the warning."""
    keyring = direct_identity(ProviderAuth.NONE, Login.UNKNOWN, requires_openai_auth=True)
    aws = direct_identity(ProviderAuth.OTHER, Login.NONE, requires_openai_auth=False)
    assert keyring.may_be_a_login
    assert aws.may_be_a_login
    assert not any(Identity(name).may_be_a_login for name in ("provider_key", "openai_api_key", "none"))


# fmt: off
TABLES: list[tuple[dict[str, Any], ProviderAuth]] = [
    ({},                                                                      ProviderAuth.NONE),
    ({"env_key": "SET"},                                                      ProviderAuth.ENV_KEY),
    ({"env_key": "OTHER"},                                                    ProviderAuth.ENV_KEY_UNSET),
    ({"env_key": ""},                                                         ProviderAuth.ENV_KEY_UNSET),
    ({"env_key": "OTHER", "experimental_bearer_token": "x"},                  ProviderAuth.ENV_KEY_UNSET),
    ({"env_key": "SET", "experimental_bearer_token": "x"},                    ProviderAuth.ENV_KEY),
    ({"experimental_bearer_token": "x"},                                      ProviderAuth.BEARER_TOKEN),
    ({"experimental_bearer_token": " "},                                      ProviderAuth.BLANK_BEARER_TOKEN),
    ({"experimental_bearer_token": "x", "http_headers": {"Authorization": "y"}}, ProviderAuth.BEARER_TOKEN),
    ({"http_headers": {"Authorization": "y"}},                                ProviderAuth.HEADER),
    ({"http_headers": {"authorization": "y"}},                                ProviderAuth.HEADER),
    ({"http_headers": {"Authorization": ""}},                                 ProviderAuth.NONE),
    ({"http_headers": {"x-api-key": "y"}},                                    ProviderAuth.NONE),
    ({"http_headers": 5},                                                     ProviderAuth.NONE),
    ({"env_http_headers": {"Authorization": "SET"}},                          ProviderAuth.HEADER),
    ({"env_http_headers": {"Authorization": "OTHER"}},                        ProviderAuth.NONE),
    ({"auth": {"command": "x"}},                                              ProviderAuth.COMMAND),
    ({"auth": {"command": "x"}, "http_headers": {"Authorization": "y"}},      ProviderAuth.COMMAND),
    ({"auth": {}},                                                            ProviderAuth.INVALID),
    ({"auth": {"command": ""}},                                               ProviderAuth.INVALID),
    ({"auth": "x"},                                                           ProviderAuth.INVALID),
    ({"auth": {"command": "x"}, "env_key": "SET"},                            ProviderAuth.INVALID),
    ({"auth": {"command": "x"}, "experimental_bearer_token": "x"},            ProviderAuth.INVALID),
    ({"aws": {}},                                                             ProviderAuth.OTHER),
    ({"gateway_oauth": {}},                                                   ProviderAuth.OTHER),
]
# fmt: on


@pytest.mark.parametrize(("table", "auth"), TABLES)
def test_the_auth_of_a_table(table: dict[str, Any], auth: ProviderAuth) -> None:
    """Each spelling in config.toml, as Codex takes it."""
    assert auth is provider_auth({"model_providers": {"relay": table}}, "relay", {"SET"})


def test_the_built_in_provider() -> None:
    """It takes the login, and no table of its name counts; a provider that config.toml lacks has no auth."""
    doc = {"model_providers": {"openai": {"env_key": "SET"}, "relay": {"requires_openai_auth": True}}}
    assert Identity.CHATGPT_LOGIN is predicted_identity(doc, "openai", Login.CHATGPT, {"SET"})
    assert Identity.OPENAI_API_KEY is predicted_identity({}, "openai", Login.API_KEY, ())
    assert Identity.CHATGPT_LOGIN is predicted_identity(doc, "relay", Login.CHATGPT, ())
    assert Identity.NONE is predicted_identity(doc, "other", Login.CHATGPT, ())
    assert not requires_openai_auth(doc, "other")
