"""The credentials that the user's files and environment hold at the moment of a request."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.codex import auth_json
from cfp.codex.auth_json import login_mode
from cfp.core import header_names
from cfp.core.policy import EffectivePolicy, FastBehavior, LoginMode
from cfp.core.route_report import policy_in_effect
from cfp.core.settings import Policy, Settings
from cfp.errors import Failed
from cfp.host.administrator import read_system_files
from cfp.host.provider.keys import CodexFiles, KeySource, ProviderKey, checked_bearer, discover_key
from cfp.layout import Layout, SystemLayout
from cfp.proxy.credentials import Credentials, KeyUnusable, StatCached
from journal.fs import FileInUse
from tests.facts import facts
from tests.odd_files import ODD_FILES

ENVIRON = {"RELAY_KEY": " sk-env ", "BAD": "a\r\nX: y", "EMPTY": " "}
KEY = '{"OPENAI_API_KEY":"sk-x"}'
CHATGPT = '{"tokens":{"access_token":"t"}}'


def credentials(home: Path, policy: Policy = Policy.AUTO, **settings: object) -> Credentials:
    return Credentials(settings_of(policy, **settings), Layout(home), ENVIRON)


def settings_of(policy: Policy = Policy.AUTO, **settings: object) -> Settings:
    return Settings(
        provider="relay",
        upstream_base="https://relay.example",
        service_tier_policy=policy,
        **settings,  # type: ignore[arg-type]  # the two key settings
    )


def sent(chosen: Credentials) -> bytes:
    """The Authorization in the place of the client's."""
    override = chosen.auth_override()
    assert override is not None
    return override.authorization


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    """An unchanged stat returns the cached value; a replaced, rewritten or removed file is noticed at once."""
    path, reads = tmp_path / "f", []

    def parse(data: bytes | None) -> bytes | None:
        reads.append(data)
        return data

    cached = StatCached(path, parse)
    for content in (None, b"1", b"2", None):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").replace(path)
        assert [cached.get(), cached.get()] == [content, content]
    assert reads == [None, b"1", b"2", None]


def test_a_file_that_another_program_keeps_to_itself(tmp_path: Path) -> None:
    """The last value serves for ten seconds, then the file counts as missing; once it is free, its content does."""
    path, now = tmp_path / "f", 0.0
    path.write_bytes(b"1")
    in_use = False

    def read(one: Path) -> bytes:
        if in_use:
            raise FileInUse(13, "in use", str(one))
        return one.read_bytes()

    cached = StatCached(path, lambda data: data, read, lambda: now)
    assert b"1" == cached.get()
    for content, end in ((b"22", b"22"), (b"333", b"333")):
        before = cached.get()
        path.write_bytes(content)
        in_use = True
        start = now
        for seconds, expected in ((0, before), (9.9, before), (10, None), (60, None)):
            now = start + seconds
            assert expected == cached.get()
        in_use = False
        assert end == cached.get()
        now += 100


def test_a_file_that_is_in_use_from_the_beginning(tmp_path: Path) -> None:
    """Without a value the file counts as missing, until it can be read."""
    path, in_use = tmp_path / "f", True
    path.write_bytes(b"1")

    def read(one: Path) -> bytes:
        if in_use:
            raise FileInUse(13, "in use", str(one))
        return one.read_bytes()

    cached = StatCached(path, lambda data: data, read)
    assert [None, None] == [cached.get(), cached.get()]
    in_use = False
    assert b"1" == cached.get()


def test_keys_come_from_where_the_settings_say(tmp_path: Path) -> None:
    """The key comes from the variable, or from the provider's entry in provider-auth.json, or there is none."""
    passed_on = credentials(tmp_path)
    assert (None, True) == (passed_on.auth_override(), passed_on.key_available())
    assert sent(credentials(tmp_path, upstream_api_key_env="RELAY_KEY")) == b"Bearer sk-env"
    from_file = credentials(tmp_path, upstream_api_key_file=True)
    path = Layout(tmp_path).provider_auth
    path.parent.mkdir()
    for key in ("sk-1", "sk-2-longer"):
        path.write_text(
            json.dumps({"version": 1, "providers": {"relay": {"api_key": key}, "other": {"api_key": "no"}}})
        )
        assert sent(from_file) == f"Bearer {key}".encode()
    assert (from_file.key_source, from_file.key_available()) == ("provider_auth_file", True)


@pytest.mark.parametrize(("name", "missing"), [("ABSENT", True), ("EMPTY", True), ("BAD", False)])
def test_keys_that_cannot_be_sent(tmp_path: Path, name: str, *, missing: bool) -> None:
    """A missing key and an unusable one are reported differently, with the source's name and without the value."""
    chosen = credentials(tmp_path, upstream_api_key_env=name)
    with pytest.raises(KeyUnusable) as caught:
        sent(chosen)
    assert (caught.value.missing, name in caught.value.source, chosen.key_available()) == (missing, True, False)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"providers":{"relay":{}}}', '{"providers":{"relay":{"api_key":7}}}']
)
def test_a_damaged_key_file_is_a_missing_key(tmp_path: Path, text: str) -> None:
    """A damaged key file raises no exception and yields no key."""
    path = Layout(tmp_path).provider_auth
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(KeyUnusable):
        credentials(tmp_path, upstream_api_key_file=True).auth_override()


@pytest.mark.parametrize(
    ("policy", "auth", "config", "expected"),
    [
        (Policy.AUTO, KEY, None, EffectivePolicy.INJECT_MISSING),
        (Policy.AUTO, CHATGPT, None, EffectivePolicy.PRESERVE),
        (Policy.AUTO, None, None, EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, 'service_tier = "default"', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, '\ufeffservice_tier = "default"\r\n', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, '"service\\u005ftier" = "default"', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, 'service_tier = "default"\ntui = {\n  a = 1,  # TOML 1.1\n}', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, 'model = "gpt"', EffectivePolicy.INJECT_MISSING),
        (Policy.AUTO, KEY, 'service_tier = "fast"', EffectivePolicy.INJECT_MISSING),
        (Policy.AUTO, KEY, 'service_tier = "flex"', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, 'cli_auth_credentials_store = "keyring"', EffectivePolicy.PRESERVE),
        (Policy.AUTO, KEY, "service_tier = [", EffectivePolicy.INJECT_MISSING),
        (Policy.INJECT_MISSING, CHATGPT, 'service_tier = "default"', EffectivePolicy.INJECT_MISSING),
        (Policy.PRESERVE, KEY, None, EffectivePolicy.PRESERVE),
    ],
)
def test_the_policy_decides_who_adds_the_tier(
    tmp_path: Path, policy: Policy, auth: str | None, config: str | None, expected: EffectivePolicy
) -> None:
    """`auto` follows the login and the opt-out; the other two policies depend on neither."""
    for path, text in ((Layout(tmp_path).auth, auth), (Layout(tmp_path).config, config)):
        if text is not None:
            path.write_bytes(text.encode())
    assert credentials(tmp_path, policy).effective_policy() is expected


TIERS = st.sampled_from([None, "default", "fast"])


@given(tiers=st.lists(TIERS, min_size=4, max_size=4), in_profile=st.booleans())
def test_the_highest_file_that_states_a_tier_counts(*, tiers: list[str | None], in_profile: bool) -> None:
    """Worker and commands agree on every combination, and a tier in a selected profile is one of its file."""
    with tempfile.TemporaryDirectory() as folder:
        home, system = Path(folder, "home"), SystemLayout(Path(folder, "system"))
        for path in (home, system.folder):
            path.mkdir()
        Layout(home).auth.write_text(KEY)
        files = (system.requirements, system.managed, Layout(home).config, system.config)
        for file, tier in zip(files, tiers, strict=True):
            if tier is not None:
                line = f'service_tier = "{tier}"\n'
                file.write_text(f'profile = "p"\n[profiles.p]\n{line}' if in_profile else line)
        worker = Credentials(settings_of(), Layout(home), ENVIRON, system=system)
        surveyed = facts(
            Layout(home).config.read_bytes() if Layout(home).config.exists() else None,
            system=read_system_files(system),
        )
        expected = next(filter(None, tiers), None) == "default"
        assert expected == (worker.effective_policy() is EffectivePolicy.PRESERVE)
        assert expected == surveyed.opted_out


AUTHS = [None, "{}", KEY, CHATGPT, '{"auth_mode":"chatgpt"}', '{"auth_mode":"of tomorrow"}', "{"]
STORES = ["", 'cli_auth_credentials_store = "keyring"\n']
# Tables of the provider, and whether they name a key of its own.
TABLES = {
    'env_key = "RELAY_KEY"': True,
    'env_key = "UNSET"': True,
    'experimental_bearer_token = "sk"': True,
    'auth = { command = "print" }': True,
    'http_headers = { Authorization = "Bearer sk" }': True,
    'env_http_headers = { Authorization = "RELAY_KEY" }': True,
    'http_headers = { X-Team = "blue" }': False,
    "requires_openai_auth = true": False,
    "": False,
}


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("store", STORES, ids=["file", "keyring"])
@pytest.mark.parametrize("override", [{}, {"upstream_api_key_env": "RELAY_KEY"}], ids=["preserved", "split"])
def test_a_provider_with_its_own_key_is_api_key_mode(
    tmp_path: Path, auth: str | None, store: str, override: dict[str, str]
) -> None:
    """The provider's own key decides where nobody is signed in; worker and commands agree on every combination."""
    layout = Layout(tmp_path)
    if auth is not None:
        layout.auth.write_text(auth)
    data = None if auth is None else auth.encode()
    for table, names_key in TABLES.items():
        layout.config.write_text(f'{store}model_provider = "relay"\n[model_providers.relay]\nname = "R"\n{table}\n')
        keyring = "keyring" if store else None
        mode, login = login_mode(data, keyring), auth_json.login(data, keyring)
        home = facts(layout.config.read_bytes(), login=mode, codex_login=login)
        settings = settings_of(**override)
        worker = Credentials(settings, layout, ENVIRON)
        assert policy_in_effect(home, settings) is worker.effective_policy()
        has_key = names_key or bool(override)
        injects = has_key if login is auth_json.Login.NONE else mode is LoginMode.API_KEY
        assert injects == (worker.effective_policy() is EffectivePolicy.INJECT_MISSING)
        assert (worker.fast_behavior() is FastBehavior.AUTO_GLOBAL_PRIORITY) == injects


def test_an_administrators_file_that_breaks_does_not_undo_the_opt_out(tmp_path: Path) -> None:
    """Its last parsed version counts, and one that is gone states nothing."""
    system = SystemLayout(tmp_path / "system")
    system.folder.mkdir()
    Layout(tmp_path).auth.write_text(KEY)
    chosen = Credentials(settings_of(), Layout(tmp_path), ENVIRON, system=system)
    for text, expected in (
        ('service_tier = "default"', EffectivePolicy.PRESERVE),
        ('service_tier = "defa', EffectivePolicy.PRESERVE),
        (None, EffectivePolicy.INJECT_MISSING),
    ):
        system.managed.unlink() if text is None else system.managed.write_text(text)
        assert chosen.effective_policy() is expected


def test_a_half_written_config_does_not_undo_the_opt_out(tmp_path: Path) -> None:
    """While config.toml cannot be parsed, the last parsed version counts."""
    chosen, config = credentials(tmp_path), Layout(tmp_path).config
    Layout(tmp_path).auth.write_text(KEY)
    for text, expected in (
        ('service_tier = "default"', EffectivePolicy.PRESERVE),
        ('service_tier = "defa', EffectivePolicy.PRESERVE),
        ('model = "gpt"', EffectivePolicy.INJECT_MISSING),
    ):
        config.write_text(text)
        assert chosen.effective_policy() is expected
    assert chosen.login() is LoginMode.API_KEY


def test_a_named_key_is_looked_for_where_codex_looks(tmp_path: Path) -> None:
    """.env comes before the environment, and auth.json is the last resort; each change is noticed."""
    layout, chosen = Layout(tmp_path), credentials(tmp_path, upstream_api_key_env="RELAY_KEY")
    assert (b"Bearer sk-env", "process_env") == (sent(chosen), chosen.key_source)
    layout.dotenv.write_text('export RELAY_KEY="sk-dotenv"\n')
    assert (b"Bearer sk-dotenv", "process_env") == (sent(chosen), chosen.key_source)
    other = credentials(tmp_path, upstream_api_key_env="OTHER_API_KEY")
    assert not other.key_available()
    layout.auth.write_text('{"OTHER_API_KEY": "sk-kept"}')
    assert (b"Bearer sk-kept", "auth_json_fallback") == (sent(other), other.key_source)


def test_a_key_is_looked_for_once_a_turn(tmp_path: Path) -> None:
    """A key is read once in a turn of the loop; a missing key is looked up again."""
    turn = [1]
    chosen = Settings(provider="relay", upstream_base="https://relay.example", upstream_api_key_env="NEW_KEY")
    here = Credentials(chosen, Layout(tmp_path), ENVIRON, lambda: turn[0])
    for _ in range(2):
        with pytest.raises(KeyUnusable):
            sent(here)
    dotenv = Layout(tmp_path).dotenv
    dotenv.write_text("NEW_KEY=sk-first")
    assert sent(here) == b"Bearer sk-first"
    dotenv.write_text("NEW_KEY=sk-the-second")
    assert sent(here) == b"Bearer sk-first"
    turn[0] += 1
    assert sent(here) == b"Bearer sk-the-second"
    dotenv.unlink()
    turn[0] += 1
    for _ in range(2):
        with pytest.raises(KeyUnusable):
            sent(here)


def passing(chosen: Credentials) -> frozenset[bytes]:
    """The fields that pass besides those that always do."""
    override = chosen.auth_override()
    assert override is not None
    return override.passing - {name.encode() for name in header_names.PASSING}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", set()),
        ('http_headers = { "X-Team" = "blue" }', {b"x-team"}),
        ('env_http_headers = { X-Team = "TEAM" }', {b"x-team"}),
        ('http_headers.X-Team = "blue"\nenv_http_headers = { x-other = "TEAM" }', {b"x-team", b"x-other"}),
        ('"http\\u005fheaders" = { X-Team = "blue" }', {b"x-team"}),
        ('http_headers = { "x-openai-actor-authorization" = "a" }', {b"x-openai-actor-authorization"}),
        ('http_headers = { Cookie = "c" }', {b"cookie"}),
        ('http_headers = { OpenAI-Organization = "o" }', {b"openai-organization"}),
        ('gateway_oauth.delivery = { kind = "header", name = "X-Gateway" }', {b"x-gateway"}),
        ('gateway_oauth.delivery = { kind = "header", name = "Authorization" }', set()),
        ('gateway_oauth = "X-Gateway"', set()),
        ('http_headers = ["X-Team"]', set()),
        ('http_headers = "X-Team"', set()),
        *((f'http_headers = {{ {name.title()} = "x" }}', set()) for name in sorted(header_names.LOGIN)),
        *((f'http_headers = {{ {name} = "x" }}', set()) for name in sorted(header_names.HOP_BY_HOP)),
        *((f'http_headers = {{ {name} = "x" }}', set()) for name in ("Host", "Content-Length", "Via", "Trailer")),
    ],
)  # fmt: skip
def test_the_fields_of_the_users_own_pass(tmp_path: Path, table: str, expected: set[bytes]) -> None:
    """A name in the provider's table passes, unless Codex fills the field from the login or the hop owns it."""
    Layout(tmp_path).config.write_text(
        f"[model_providers.relay]\n{table}\n[model_providers.other.http_headers]\nX-Not = '1'\n"
    )
    assert expected == passing(credentials(tmp_path, upstream_api_key_env="RELAY_KEY"))


def test_an_edit_of_the_users_fields_counts(tmp_path: Path) -> None:
    """The next request follows the new table; a file in the middle of an edit changes nothing."""
    config, chosen = Layout(tmp_path).config, credentials(tmp_path, upstream_api_key_env="RELAY_KEY")
    assert frozenset() == passing(chosen)
    for text, expected in (
        ("[model_providers.relay.http_headers]\nX-One = '1'", {b"x-one"}),
        ("[model_providers.relay.http_headers]\nX-Two = '1'", {b"x-two"}),
        ("[model_providers.relay.http_headers", {b"x-two"}),
        ("[model_providers.relay]", set()),
    ):
        config.write_text(text)
        assert expected == passing(chosen)
    config.unlink()
    assert frozenset() == passing(chosen)


def test_an_override_stays_the_same_object(tmp_path: Path) -> None:
    """The heads that were made with it hold for as long as neither the key nor the fields change."""
    config, chosen = Layout(tmp_path).config, credentials(tmp_path, upstream_api_key_env="RELAY_KEY")
    first = chosen.auth_override()
    config.write_text("[model_providers.relay.http_headers]")
    assert first is chosen.auth_override()
    config.write_text("[model_providers.relay.http_headers]\nX-One = '1'")
    second = chosen.auth_override()
    assert first is not second
    assert second is chosen.auth_override()


def test_the_built_in_provider_has_no_fields_of_its_own(tmp_path: Path) -> None:
    """Codex does not read a table with its name."""
    Layout(tmp_path).config.write_text("[model_providers.openai.http_headers]\nX-One = '1'")
    settings = Settings(provider="openai", upstream_base="https://relay.example", upstream_api_key_env="RELAY_KEY")
    assert frozenset() == passing(Credentials(settings, Layout(tmp_path), ENVIRON))


KEYS = st.text() | st.text(alphabet="sk-\u00e9 \t\r\n!~\x7f\x00")


def sent_by_the_worker(environ: dict[str, str], layout: Layout) -> bytes | None:
    settings = Settings(provider="relay", upstream_base="https://relay.example", upstream_api_key_env="RELAY_KEY")
    return _sent(Credentials(settings, layout, environ))


def _sent(chosen: Credentials) -> bytes | None:
    try:
        return sent(chosen)
    except KeyUnusable:
        return None


def _files(environ: dict[str, str], auth: bytes | None = None, dotenv: bytes | None = None) -> CodexFiles:
    return CodexFiles(config={}, auth=auth, dotenv=dotenv, environ=environ)


def accepted_by_a_command(key: ProviderKey | None) -> bytes | None:
    try:
        return None if key is None else checked_bearer(key, "https://relay.example")
    except Failed as error:
        return None if error.code == "upstream_key_malformed" else b""


@given(KEYS)
def test_worker_and_commands_agree_on_every_key(key: str) -> None:
    """The worker sends exactly the keys that the commands verify or save."""
    environ = {"RELAY_KEY": key}
    accepted = accepted_by_a_command(discover_key(_files(environ), "relay", source=KeySource.env("RELAY_KEY")))
    assert accepted == sent_by_the_worker(environ, Layout(Path("/nonexistent")))


BLANKS_AND_KEYS = (None, "", "  ", "sk-one", "sk two")


@pytest.mark.parametrize("in_dotenv", BLANKS_AND_KEYS)
@pytest.mark.parametrize("in_environment", BLANKS_AND_KEYS)
@pytest.mark.parametrize("in_auth", BLANKS_AND_KEYS)
def test_worker_and_commands_take_the_key_from_the_same_place(
    tmp_path: Path, in_dotenv: str | None, in_environment: str | None, in_auth: str | None
) -> None:
    """A location that is empty or white space is passed over by both; a malformed key is refused by both."""
    layout, environ = Layout(tmp_path), {} if in_environment is None else {"RELAY_KEY": in_environment}
    dotenv = None if in_dotenv is None else f'RELAY_KEY="{in_dotenv}"\n'.encode()
    auth = json.dumps({} if in_auth is None else {"RELAY_KEY": in_auth}).encode()
    layout.auth.write_bytes(auth)
    if dotenv is not None:
        layout.dotenv.write_bytes(dotenv)
    source = KeySource.env("RELAY_KEY")
    assert sent_by_the_worker(environ, layout) == accepted_by_a_command(
        discover_key(_files(environ, auth, dotenv), "relay", source=source)
    )


@pytest.mark.parametrize("key", BLANKS_AND_KEYS)
def test_worker_and_commands_read_the_same_saved_key(tmp_path: Path, key: str | None) -> None:
    """provider-auth.json has one reader."""
    data = json.dumps({"version": 1, "providers": {"relay": {"api_key": key}}}).encode()
    Layout(tmp_path).provider_auth.parent.mkdir(parents=True, exist_ok=True)
    Layout(tmp_path).provider_auth.write_bytes(data)
    settings = Settings(provider="relay", upstream_base="https://relay.example", upstream_api_key_file=True)
    saved = discover_key(_files({}), "relay", data, source=KeySource.provider_auth_file())
    assert _sent(Credentials(settings, Layout(tmp_path), {})) == accepted_by_a_command(saved)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", ODD_FILES)
def test_no_file_is_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """The loop reads no pipe, device or huge file in the place of one of the user's: it counts as missing."""
    make(tmp_path / "auth.json")
    assert StatCached(tmp_path / "auth.json", lambda data: data).get() is None
