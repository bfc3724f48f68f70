"""A provider's model catalogue: its URL taken apart, our key for it, and the user's bytes given back."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cfp.codex import config_toml
from cfp.codex.compare import equivalent
from cfp.codex.config_toml import CONFIG_TOML
from cfp.core.checks.check import DoctorFacts
from cfp.core.checks.table import run_checks
from cfp.core.diagnosis import diagnose
from cfp.core.facts import Facts
from cfp.core.manifest import parse_manifest
from cfp.core.plan.candidate import RouteRequest
from cfp.core.plan.install import plan_install
from cfp.core.plan.model_catalog import (
    catalog_host,
    catalog_key,
    catalog_url,
    is_proxied,
    moved_catalog,
    original_catalog,
    passed_by,
    proxied_catalog,
)
from cfp.core.plan.repair import plan_repair
from cfp.core.plan.set_upstream import plan_set_upstream
from cfp.core.plan.uninstall import ConfigRestore, UninstallRequest, plan_uninstall
from cfp.core.provider import BUILT_IN, providers
from cfp.core.settings import parse_settings
from cfp.errors import CfpError, Refused
from cfp.layout import Layout
from journal.values import ABSENT, KeyEdit
from tests import predecessor
from tests.facts import CONFIG, HOME, UPSTREAM, after, facts, installed, worker_of
from tests.strategies import config_texts, string_spellings

PROXY = "http://127.0.0.1:8787/v1"
OWN = "http://127.0.0.1:8787/__codex_fast_proxy/catalog"
CATALOG = "https://relay.example/catalog.json?of=mine"
ELSEWHERE = "https://other.example/catalog.json"
KEY = catalog_key("relay")
SPLIT = RouteRequest(upstream_api_key_env="RELAY_KEY")
EDIT = b"\n# edited\n"
CLEAR = RouteRequest(clear_upstream_auth=True)


def config(catalog: str | None = CATALOG, more: str = "requires_openai_auth = true") -> bytes:
    """A provider that wants the login, with this catalogue."""
    line = "" if catalog is None else f"model_catalog_url = '{catalog}'  # mine\n"
    return CONFIG.replace(b'env_key = "RELAY_KEY"\n', f"{line}{more}\n".encode())


def enabled(text: bytes | None = None, request: RouteRequest = SPLIT) -> Facts:
    home = facts(config() if text is None else text)
    return installed(home, plan_install(home, request))


def with_upstream(home: Facts, request: RouteRequest) -> Facts:
    plan = plan_set_upstream(home, request, restart=False)
    return after(home, plan.changes, worker_of(plan.settings))


def edited(home: Facts, data: bytes) -> Facts:
    """The home after its user wrote config.toml."""
    fact = replace(home.config, data=data, doc=config_toml.parse(data))
    return replace(home, config=fact)


def uninstalled(home: Facts) -> bytes | None:
    return after(home, plan_uninstall(home, UninstallRequest()).changes).config.data


def catalog_of(home: Facts) -> Any:
    return config_toml.lookup(home.config.root, KEY)


# ---- URLs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://relay.example/v1/models", f"{OWN}/v1/models"),
        ("https://relay.example/catalog.json?a=b#c", f"{OWN}/catalog.json?a=b#c"),
        ("https://relay.example", f"{OWN}/"),
        ("https://relay.example?a", f"{OWN}/?a"),
        ("HTTPS://Relay.Example:443/x", f"{OWN}/x"),
        ("https://u:p@relay.example/x", "http://u:p@127.0.0.1:8787/__codex_fast_proxy/catalog/x"),
        ("http://relay.example/x", None),
        ("https://relay.example:444/x", None),
        ("https://relay.example.evil.example/x", None),
        ("https://other.example/x", None),
        ("https://relay.example@other.example/x", None),
        ("https://other.example\\@relay.example/x", None),
        ("https:relay.example/x", None),
        ("https://relay.example/../x", None),
        ("https://relay.example/a/%2E./x", None),
        ("https://relay.example/a b", None),
        ("file:///etc/passwd", None),
    ],
)
def test_only_the_providers_own_origin_is_moved(url: str, own: str | None) -> None:
    """A URL that another parser could read otherwise counts as elsewhere: it is refused and never guessed."""
    assert own == proxied_catalog(url, proxy=PROXY, upstream=UPSTREAM)


@pytest.mark.parametrize("url", ["", "/v1/models", "relay.example/models", "//relay.example/x", "?x", "é:x"])
def test_a_url_that_codex_does_not_fetch_is_none(url: str) -> None:
    """Codex 0.171 logs `model_catalog_url must be an absolute URL` and sends nothing."""
    assert catalog_url({"model_providers": {"relay": {"model_catalog_url": url}}}, "relay") is None


@pytest.mark.parametrize("url", [" https://a.example", "ht\ntps://a.example", "HTTPS:a.example", "\x00https:/a"])
def test_a_url_that_codex_repairs_counts(url: str) -> None:
    """White space around a URL, line breaks in it and missing slashes are no reason to overlook it."""
    assert url == catalog_url({"model_providers": {"relay": {"model_catalog_url": url}}}, "relay")


PATHS = st.text("abc/?#=&%.", max_size=12).map(lambda text: "/" + text)


@given(PATHS, st.sampled_from(["", "u@", "u:p@"]))
def test_an_own_url_says_where_it_leads(path: str, user: str) -> None:
    """The proxy's URL for a catalogue is turned back into the catalogue's."""
    url = f"https://{user}relay.example{path}"
    own = proxied_catalog(url, proxy=PROXY, upstream=UPSTREAM)
    assume(own is not None)
    assert url == original_catalog(own, proxy=PROXY, upstream=UPSTREAM)
    assert original_catalog(url, proxy=PROXY, upstream=UPSTREAM) is None
    assert url.replace("relay", "new") == moved_catalog(url, previous=UPSTREAM, upstream="https://new.example/api")


@given(st.text(max_size=30) | st.builds("https://{}{}".format, st.text("relay.xmp@:/\\", max_size=20), PATHS))
def test_any_text_has_a_host_for_the_message(url: str) -> None:
    """No text makes the decision fail, and none is moved to an address other than the proxy's."""
    assert isinstance(catalog_host(url), str)
    own = proxied_catalog(url, proxy=PROXY, upstream=UPSTREAM)
    assert own is None or original_catalog(own, proxy=PROXY, upstream=UPSTREAM) is not None


# ---- who is moved, who is refused --------------------------------------------------------------------------------

_GATEWAY = "[model_providers.relay.gateway_oauth]\n"
_OWN_KEYS = ['env_key = "RELAY_KEY"', 'experimental_bearer_token = "x"']
_LOGINS = ["requires_openai_auth = true", 'requires_openai_auth = true\nhttp_headers = { Authorization = "x" }']


@pytest.mark.parametrize("more", [*_LOGINS, *_OWN_KEYS, *(f"{key}\n{_LOGINS[0]}" for key in _OWN_KEYS), ""])
@pytest.mark.parametrize("gateway", ["", _GATEWAY])
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("catalog", [CATALOG, ELSEWHERE])
def test_the_split_and_a_gateway_move_it(more: str, gateway: str, split: bool, catalog: str) -> None:  # noqa: FBT001  a parameter of the table
    """Elsewhere, the split is refused where the login would go there; a table with a key is its owner's word."""
    home = facts(config(catalog, f"{more}\n{gateway}"))
    request = SPLIT if split else RouteRequest()
    if catalog == ELSEWHERE and (gateway or (split and more in _LOGINS)):
        with pytest.raises(Refused) as refused:
            plan_install(home, request)
        assert ("catalog_past_proxy", "other.example") == (refused.value.code, refused.value.details["host"])
        return
    on = installed(home, plan_install(home, request))
    moves = catalog == CATALOG and (split or gateway)
    assert (f"{OWN}/catalog.json?of=mine" if moves else catalog) == catalog_of(on)
    assert passed_by(on.config.root, on.settings) is None
    assert home.config.data == uninstalled(on)


def test_the_built_in_provider_has_none() -> None:
    """Codex accepts only OpenAI's own hosts there."""
    home = facts(b'openai_base_url = "https://relay.example/v1"\n', environment=frozenset({"RELAY_KEY"}))
    on = installed(home, plan_install(home, replace(SPLIT, provider=BUILT_IN)))
    assert home.config.data == uninstalled(on)


def test_prepare_only_refuses_too() -> None:
    """Saved settings that no install could put into force are not saved."""
    with pytest.raises(Refused) as refused:
        plan_install(facts(config(ELSEWHERE)), replace(SPLIT, prepare_only=True))
    assert "catalog_past_proxy" == refused.value.code


# ---- an installation's life --------------------------------------------------------------------------------------

_STEPS = ("split", "clear", "install", "install_split", "other_url", "first_url", "edit", "newer")


@st.composite
def spelled_configs(draw: st.DrawFn) -> tuple[bytes, str]:
    """A config.toml in any spelling, with a catalogue of the provider's in any spelling."""
    text, provider = draw(config_texts())
    assume(provider != BUILT_IN)
    edit = KeyEdit(
        path=catalog_key(provider), before=ABSENT, after=CATALOG, after_spelling=draw(string_spellings(CATALOG))
    )
    try:
        return CONFIG_TOML.apply(text, (edit,)), provider
    except CfpError:
        assume(False)
        raise


@given(spelled_configs(), st.lists(st.sampled_from(_STEPS), max_size=6))
def test_every_byte_comes_back(case: tuple[bytes, str], steps: list[str]) -> None:
    """In any order of commands and edits: the split moves the catalogue, and the user's own text survives it all."""
    text, provider = case
    first = RouteRequest(provider=provider, upstream_base=UPSTREAM)
    try:
        home = facts(text)
        home = installed(home, plan_install(home, first))
    except CfpError:
        assume(False)
    added = b""
    for step in steps:
        text = newer(text, provider) if step == "newer" else text
        added += EDIT if step == "edit" else b""
        with suppress(_StaysBehind):
            home = _step(home, step, provider)
            if step not in {"newer", "edit"}:
                url, settings = str(catalog_url(home.config.root, provider)), home.settings
                assert passed_by(home.config.root, settings) is None
                at_provider = is_at(url, settings.upstream_base)
                assert is_proxied(url, settings) == (settings.overrides_auth and at_provider)
    data = uninstalled(home)
    if {"other_url", "first_url"}.isdisjoint(steps):
        if {"edit", "newer"}.isdisjoint(steps):
            assert text == data
        else:  # the header of an empty table that we used may then stand elsewhere, or go
            assert entries(text + added) == entries(data)
        return
    before, left = (providers(config_toml.parse(image))[provider] for image in (text, data))
    assert urlsplit(left["model_catalog_url"]).hostname in {"relay.example", "other.example"}
    urls = {"base_url": None, "model_catalog_url": None}
    assert equivalent({**before, **urls}, {**left, **urls})


def entries(text: bytes | None) -> list[bytes]:
    """The lines of a text in any order, without headers."""
    return sorted(line for line in (text or b"").splitlines() if not line.lstrip().startswith(b"["))


def newer(text: bytes, provider: str) -> bytes:
    """The text once its user has written another URL of the same origin over the catalogue's."""
    url = "https://relay.example/newer.json"
    edit = KeyEdit(path=catalog_key(provider), before=None, after=url, after_spelling=f"'{url}'")
    return CONFIG_TOML.apply(text, (edit,))


class _StaysBehind(Exception):
    """The step is refused: the catalogue is at the former provider's address."""


def is_at(url: str, upstream: str) -> bool:
    """Whether a catalogue is the proxy's or at the provider's origin."""
    return url.startswith((OWN, upstream.removesuffix("/v1")))


def _step(home: Facts, step: str, provider: str) -> Facts:
    """The home after one step; raises _StaysBehind."""
    requests = {
        "install": RouteRequest(provider=provider),
        "install_split": replace(SPLIT, provider=provider),
        "split": SPLIT,
        "clear": CLEAR,
        "other_url": RouteRequest(upstream_base="https://other.example/v1"),
        "first_url": RouteRequest(upstream_base=UPSTREAM),
    }
    if step == "edit":
        return edited(home, (home.config.data or b"") + EDIT)
    if step == "newer":
        return edited(home, newer(home.config.data or b"", provider))
    try:
        if step in {"install", "install_split"}:
            plan = plan_install(home, requests[step])
            return after(home, plan.changes, worker_of(plan.settings))
        return with_upstream(home, requests[step])
    except Refused as refused:
        if refused.code != "catalog_past_proxy":
            raise
        raise _StaysBehind from refused


def test_set_upstream_moves_it_and_gives_it_back() -> None:
    """The record follows: an uninstall from either state gives the same bytes."""
    home = enabled(request=RouteRequest())
    split = with_upstream(home, SPLIT)
    assert f"{OWN}/catalog.json?of=mine" == catalog_of(split)
    cleared = with_upstream(split, CLEAR)
    assert home.config.data == cleared.config.data
    for on in (home, split, cleared):
        plan = plan_uninstall(on, UninstallRequest())
        assert (ConfigRestore.RESTORED, config()) == (plan.config_restore, after(on, plan.changes).config.data)


def test_edits_since_the_move_survive_its_end() -> None:
    """The split goes, and the file must not pass for the one that the record knows."""
    home = enabled()
    cleared = with_upstream(edited(home, home.config.data + EDIT), CLEAR)
    assert config() + EDIT == uninstalled(cleared)


def test_the_catalogue_follows_the_provider() -> None:
    """Another URL moves what an uninstall gives back, in the user's quotes; back again, the bytes are the first."""
    home = with_upstream(enabled(), RouteRequest(upstream_base="https://new.example/api"))
    assert f"{OWN}/catalog.json?of=mine" == catalog_of(home)
    moved = config().replace(b"https://relay.example/v1", b"https://new.example/api")
    assert moved.replace(b"relay.example/cat", b"new.example/cat") == uninstalled(home)
    assert config() == uninstalled(with_upstream(home, RouteRequest(upstream_base=UPSTREAM)))


def test_another_url_without_the_split_moves_it_too() -> None:
    """Both in one command: what was ours belongs to the provider, and config.toml has it at the new address."""
    home = with_upstream(enabled(), replace(CLEAR, upstream_base="https://new.example/api"))
    assert CATALOG.replace("relay", "new") == catalog_of(home)
    left = config_toml.parse(uninstalled(home))["model_providers"]["relay"]
    assert ("https://new.example/api", CATALOG.replace("relay", "new")) == (
        left["base_url"],
        left["model_catalog_url"],
    )


def test_a_users_newer_url_is_moved_by_set_upstream() -> None:
    """It takes the place of the one that was recorded, and an uninstall gives it back."""
    home = enabled()
    newer = b"'https://relay.example/newer.json'"
    home = edited(home, home.config.data.replace(f'"{OWN}/catalog.json?of=mine"'.encode(), newer))
    assert "https://relay.example/newer.json" == passed_by(home.config.root, home.settings)
    moved = with_upstream(home, SPLIT)
    assert f"{OWN}/newer.json" == catalog_of(moved)
    expected = config().replace(f"'{CATALOG}'".encode(), newer)
    assert expected == uninstalled(moved)
    later = edited(moved, moved.config.data + EDIT)
    assert (expected + EDIT, ()) == (uninstalled(later), plan_uninstall(later, UninstallRequest()).conflicts)


def test_a_catalogue_at_the_former_provider_is_refused() -> None:
    """It was the user's while there was no split, so it did not follow; the split must not leave it there."""
    home = with_upstream(enabled(request=RouteRequest()), RouteRequest(upstream_base="https://new.example/api"))
    assert CATALOG == catalog_of(home)
    with pytest.raises(Refused) as refused:
        plan_set_upstream(home, SPLIT, restart=False)
    assert ("catalog_past_proxy", "relay.example") == (refused.value.code, refused.value.details["host"])


@pytest.mark.parametrize("value", [None, "https://relay.example/mine.json"])
def test_a_key_that_the_user_changed_is_theirs(value: str | None) -> None:
    """A conflict at the uninstall, as with base_url; the next install takes the new one for the user's."""
    home = enabled()
    data = CONFIG_TOML.apply(
        home.config.data, (KeyEdit(path=KEY, before=None, after=ABSENT if value is None else value),)
    )
    home = edited(home, data)
    plan = plan_uninstall(home, UninstallRequest())
    assert (KEY,) == plan.conflicts
    left = config_toml.parse(after(home, plan.changes).config.data)
    assert (ABSENT if value is None else value) == config_toml.lookup(left, KEY)
    again = after(home, plan_install(home, SPLIT).changes)
    assert (ABSENT if value is None else f"{OWN}/mine.json") == catalog_of(again)


def test_force_gives_it_back() -> None:
    """`uninstall --force` overrules the user's own later value, for this key as for the others."""
    home = enabled()
    data = CONFIG_TOML.apply(home.config.data, (KeyEdit(path=KEY, before=None, after=ELSEWHERE),))
    home = edited(home, data)
    left = after(home, plan_uninstall(home, UninstallRequest(force=True)).changes).config.data
    assert config() == left


def test_a_record_of_version_0_1_0_gains_the_key() -> None:
    """It recorded no keys: they are written out with ours, and the user's text comes back."""
    laid = predecessor.files(HOME)
    layout = Layout(HOME)
    line = f"model_catalog_url = '{CATALOG}'\n".encode()
    data = laid[layout.config].replace(b"base_url =", line + b"base_url =", 1)
    home = facts(
        data,
        laid[layout.hooks],
        backup=laid[layout.backups / predecessor.BACKUP],
        manifest=parse_manifest(laid[layout.manifest]),
        manifest_data=laid[layout.manifest],
        settings=parse_settings(laid[layout.settings]),
        settings_data=laid[layout.settings],
    )
    expected = predecessor.BEFORE.replace(b"base_url =", line + b"base_url =", 1)
    for on in (home, with_upstream(home, SPLIT), with_upstream(with_upstream(home, SPLIT), CLEAR)):
        assert expected == uninstalled(on)
        again = with_upstream(on, RouteRequest(upstream_base="https://new.example/v1"))
        assert (
            config_toml.parse(uninstalled(again))["model_providers"]["relay"]["base_url"] == "https://new.example/v1"
        )
    assert is_proxied(str(catalog_of(with_upstream(home, SPLIT))), home.settings)


def test_a_key_that_came_later_is_diagnosed_and_moved() -> None:
    """An installation of an earlier version, or an edit since: the next command of ours moves it."""
    home = enabled(config(None))
    line = f"model_catalog_url = '{CATALOG}'\n".encode()
    now = edited(home, home.config.data.replace(b"requires_openai_auth", line + b"requires_openai_auth"))
    assert CATALOG == passed_by(now.config.root, now.settings)
    check = run_checks(now, DoctorFacts(python="3.11.0"))["model_catalog"]
    for sentence in (check.detail, diagnose(now).message.sentence):
        assert all(word in sentence for word in (".".join(KEY), "relay.example"))
    before = config(None).replace(b"requires_openai_auth", line + b"requires_openai_auth")
    for moved in (after(now, plan_install(now, SPLIT).changes), with_upstream(now, SPLIT)):
        assert f"{OWN}/catalog.json?of=mine" == catalog_of(moved)
        assert before == uninstalled(moved)


@pytest.mark.parametrize("line", [f'model_catalog_url = "{CATALOG}"\n', f"model_catalog_url = '{CATALOG}' # mine\n"])
@pytest.mark.parametrize("place", ["name", "base_url", "requires_openai_auth", "[features]"])
def test_a_line_that_came_later_stays_wherever_it_is(line: str, place: str) -> None:
    """Also where our own edit would have put it: it is the user's line all the same."""
    home = enabled(config(None))
    at = place.encode()
    data = home.config.data.replace(at, line.encode() + at, 1)
    assert CATALOG == passed_by(config_toml.parse(data), home.settings)
    before = (
        config(None) + line.encode() if place == "[features]" else config(None).replace(at, line.encode() + at, 1)
    )
    moved = with_upstream(edited(home, data), SPLIT)
    assert config_toml.parse(before) == config_toml.parse(uninstalled(moved))
    assert line.encode() in uninstalled(moved)
    if place != "[features]":
        assert before == uninstalled(moved)


def test_a_copied_table_gets_its_catalogue_back() -> None:
    """A provider that was renamed while the proxy was on took our URLs with it."""
    home = enabled()
    data = home.config.data.replace(b"relay]", b"renamed]").replace(b'provider = "relay"', b'provider = "renamed"')
    left = tomllib.loads(uninstalled(edited(home, data)).decode())["model_providers"]["renamed"]
    assert (UPSTREAM, CATALOG) == (left["base_url"], left["model_catalog_url"])


@pytest.mark.parametrize("lost", ["manifest", "manifest and settings"])
def test_lost_records_do_not_lose_it(lost: str) -> None:
    """Our URL says where it leads, and a backup has the user's own spelling."""
    home = enabled()
    path = str(home.layout.backups / home.backups[0])
    home = replace(home, manifest=None, manifest_data=None)
    if lost == "manifest":
        assert config_toml.parse(config()) | {} == _without_ours(uninstalled(home))
    else:
        home = replace(home, settings=None, settings_data=None, backup_contents=((path, home.backup),))
        repair = plan_repair(home)
        assert repair is not None
        assert config_toml.parse(config()) == _without_ours(repair.config)
        assert b"'" + CATALOG.encode() + b"'" in repair.config


def _without_ours(data: bytes | None) -> dict[str, Any]:
    return {name: value for name, value in config_toml.parse(data).items() if name not in {"features", "hooks"}}
