"""Variables by name: in any case on Windows, elsewhere in their own; and what Windows keeps for new programs."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.provider import upstream_auth
from cfp.core.identities import Identity
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.host.provider.keys import CodexFiles, KeyLocation, KeySource, discover_key
from cfp.host.system.windows import user_environ
from cfp.variables import names_of, variables_of
from tests.facts import facts, installed

NAMES = st.text("aBc_", min_size=1, max_size=3)
CONFIG = {"model_provider": "relay", "model_providers": {"relay": {"name": "R", "env_key": "Relay_Key"}}}


@given(st.lists(st.dictionaries(NAMES, st.text("x ", max_size=2)), max_size=3), NAMES)
def test_a_name_on_each_system(sources: list[dict[str, str]], name: str) -> None:
    """The last source that has the name wins: in that spelling, or on Windows in any."""
    merged = {key: value for source in sources for key, value in source.items()}
    blind = {key.upper(): value for source in sources for key, value in source.items()}
    there, here = variables_of(*sources, windows=True), variables_of(*sources, windows=False)
    assert (blind.get(name.upper()), merged.get(name)) == (there.get(name), here.get(name))
    assert (name.upper() in blind, name in merged) == (name in there, name in here)
    for windows, variables in ((True, there), (False, here)):
        names = names_of(variables, windows=windows)
        assert (name in names) == bool((variables.get(name) or "").strip())
        assert all(one in names | frozenset({"Other"}) for one in (*names, "Other"))
        assert all(one in frozenset({"Other"}) | names for one in (*names, "Other"))
        if windows:
            assert "OTHER" in names | frozenset({"Other"})


def test_a_key_for_new_programs_alone() -> None:
    """A Codex that is started from now on has it, so it is the key that is tried; doctor says who lacks it."""
    files = CodexFiles(config=CONFIG, auth=None, dotenv=None, environ={}, user_environ={"Relay_Key": "k"})
    key = discover_key(files, "relay")
    assert key is not None
    assert (KeyLocation.WINDOWS_USER_ENV, "windows_user_env:Relay_Key") == (key.location, key.source)
    assert Identity.PROVIDER_KEY == files.identity("relay")
    assert discover_key(replace(files, user_environ={}), "relay") is None
    older = facts()
    home = replace(
        installed(older, plan_install(older, RouteRequest())),
        environment=frozenset(),
        user_environment=frozenset({"RELAY_KEY"}),
    )
    check = upstream_auth(home, DoctorFacts(python="3.11"))
    assert (True, "key_of_new_programs", ["RELAY_KEY"]) == (check.ok, check.code, check.evidence["variables"])
    assert "new terminal" in check.fix
    newer = replace(home, environment=frozenset({"RELAY_KEY"}))
    assert "ok" == upstream_auth(newer, DoctorFacts(python="3.11")).code


@pytest.fixture
def registered() -> Iterator[tuple[str, str]]:
    """A variable in the real registry, as `setx` leaves it, and one that names another."""
    if sys.platform != "win32":
        pytest.skip("the registry is Windows'")
    import winreg  # noqa: PLC0415  Windows only

    registry: Any = winreg
    plain, expanded = (f"Cfp_Test_{secrets.token_hex(4)}" for _ in range(2))
    with registry.CreateKey(registry.HKEY_CURRENT_USER, "Environment") as key:
        registry.SetValueEx(key, plain, 0, registry.REG_SZ, "k-%USERPROFILE%")
        registry.SetValueEx(key, expanded, 0, registry.REG_EXPAND_SZ, "k-%SystemRoot%")
        try:
            yield plain, expanded
        finally:
            for name in (plain, expanded):
                with contextlib.suppress(OSError):
                    registry.DeleteValue(key, name)


def test_the_real_registry(registered: tuple[str, str]) -> None:
    """REG_EXPAND_SZ is expanded, REG_SZ is not; the key is found by its name in any case."""
    plain, expanded = registered
    variables = user_environ()
    assert "k-%USERPROFILE%" == variables[plain]
    assert variables[expanded].lower() == r"k-c:\windows"
    files = CodexFiles(config={}, auth=None, dotenv=None, environ={}, user_environ=variables)
    key = discover_key(files, "relay", source=KeySource.env(plain.upper()))
    assert key is not None
    assert KeyLocation.WINDOWS_USER_ENV == key.location
