"""Saved upstreams: their file, and the plans of switching between them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.core.facts import Facts
from cfp.core.keys.provider_auth import stored_keys, with_key, without_key
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.model_catalog import catalog_key
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import UninstallRequest, plan_uninstall
from cfp.core.settings import Settings
from cfp.core.upstreams.saved import SavedUpstream, is_name, parse_upstreams, route_of, serialise_upstreams
from cfp.errors import Refused
from tests.facts import CONFIG, UPSTREAM, after, facts, installed, worker_of
from tests.strategies import valid_settings

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).filter(is_name)
OTHER = SavedUpstream(
    name="other", provider="relay", upstream_base="https://other.example/api", upstream_api_key_env="OTHER_KEY"
)
MAIN = SavedUpstream(name="main", provider="relay", upstream_base=UPSTREAM, upstream_api_key_env="RELAY_KEY")
EDIT = b"\n# edited\n"
CATALOG = "https://relay.example/catalog.json"


@given(st.dictionaries(NAMES, valid_settings(), max_size=4))
def test_the_file_reads_back(saved: dict[str, Settings]) -> None:
    """Each route of valid settings is written and read as it is, in the same order."""
    upstreams = {name: route_of(settings, name) for name, settings in saved.items()}
    assert upstreams == parse_upstreams(serialise_upstreams(upstreams))
    assert list(upstreams) == list(parse_upstreams(serialise_upstreams(upstreams)))


@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["version", "upstreams", "main", "provider", "upstream_base"]), inner, max_size=4
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_other_file_is_refused(data: bytes) -> None:
    """Whatever stands in the file, it is read, or refused by its own code."""
    try:
        parse_upstreams(data)
    except Refused as error:
        code = error.code
    else:
        code = ""
    assert code in {"", "upstreams_invalid"}


@given(st.dictionaries(NAMES, st.text(min_size=1).filter(str.strip), min_size=1, max_size=4))
def test_a_key_is_forgotten_alone(keys: dict[str, str]) -> None:
    """Without one entry the file has all the others, and what another version wrote beside them."""
    data = b'{"version": 1, "providers": {}, "newer": [1]}'
    for entry, key in keys.items():
        data = with_key(data, entry, key)
    gone, *_ = keys
    left = without_key(data, gone)
    assert {entry: key for entry, key in keys.items() if entry != gone} == stored_keys(left)
    assert [1] == json.loads(left or b"")["newer"]
    assert left == without_key(left, gone)


@pytest.mark.parametrize("name", ["", "a b", "-x", ".x", "ü", "a" * 65, "a/b", "sk-0123456789", "eyJhbGciOi"])
def test_a_name_is_a_plain_word(name: str) -> None:
    """No white space, no path and no key becomes a name."""
    assert not is_name(name)


def _used(home: Facts, upstream: SavedUpstream) -> Facts:
    plan = plan_set_upstream(home, upstream.request(), restart=True)
    return after(home, plan.changes, worker_of(plan.settings))


@given(st.lists(st.sampled_from([MAIN, OTHER]), max_size=5), st.booleans())
def test_the_catalogue_follows_and_comes_back(switches: list[SavedUpstream], edited: bool) -> None:  # noqa: FBT001  drawn
    """With each upstream the catalogue leads through the proxy; an uninstall gives the user's own bytes back."""
    text = CONFIG.replace(
        b'env_key = "RELAY_KEY"\n', f"model_catalog_url = '{CATALOG}'\nrequires_openai_auth = true\n".encode()
    )
    home = facts(text, environment=frozenset({"RELAY_KEY", "OTHER_KEY"}))
    home = installed(home, plan_install(home, RouteRequest(upstream_api_key_env="RELAY_KEY")))
    for upstream in switches:
        home = _used(home, upstream)
        assert "http://127.0.0.1:8787/" in str(config_toml.lookup(home.config.root, catalog_key("relay")))
        assert upstream.name == (home.settings and home.settings.upstream)
    if edited:
        data = (home.config.data or b"") + EDIT
        home = replace(home, config=replace(home.config, data=data, doc=config_toml.parse(data)))
        text += EDIT
    left = after(home, plan_uninstall(home, UninstallRequest()).changes).config.data
    assert text == left


def test_a_copied_table_gets_the_url_of_its_key() -> None:
    """A copy of the provider's table, made while another upstream is in use, gets the provider's own URL back."""
    home = facts(environment=frozenset({"RELAY_KEY", "OTHER_KEY"}))
    home = _used(installed(home, plan_install(home, RouteRequest())), OTHER)
    table = (home.config.data or b"").partition(b"[model_providers.relay]")[2].partition(b"\n[")[0]
    data = (home.config.data or b"") + b"\n[model_providers.copy]" + table
    home = replace(home, config=replace(home.config, data=data, doc=config_toml.parse(data)))
    left = config_toml.parse(after(home, plan_uninstall(home, UninstallRequest()).changes).config.data)
    assert {UPSTREAM} == {left["model_providers"][name]["base_url"] for name in ("relay", "copy")}
