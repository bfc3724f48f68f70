"""The real Codex reads the files that we write as we intend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from cfp.codex import config_toml, hooks_document
from cfp.codex.config_toml import CONFIG_TOML
from cfp.codex.hook_trust import state_path, status, trust_key, trusted_hash
from cfp.codex.hooks_document import group
from cfp.codex.hooks_feature import FLAGS, hooks_enabled
from cfp.codex.hooks_json import HOOKS_JSON, TOMBSTONE_LEFT, edit_for
from journal.values import ABSENT, KeyEdit
from tests.codex.app_server import AppServer
from tests.codex.test_toml_fixtures import NAMES, own_values, read
from tests.real_codex import Version, at
from tests.strategies import OUR_COMMAND, config_texts, hooks_texts
from tests.systems import WINDOWS

pytestmark = pytest.mark.real_codex
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def codex(codex_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    home = tmp_path_factory.mktemp("codex") / "home"
    home.mkdir(parents=True)
    with AppServer(codex_cli, home) as server:
        yield server


def write(codex: AppServer, *, config: bytes = b"", hooks: bytes | None = None) -> None:
    (codex.home / "config.toml").write_bytes(config)
    (codex.home / "hooks.json").unlink(missing_ok=True)
    if hooks is not None:
        (codex.home / "hooks.json").write_bytes(hooks)


def hooks_path(codex: AppServer) -> str:
    return str(codex.home / "hooks.json")


def session_start_hooks(codex: AppServer) -> dict[str, dict[str, Any]]:
    listing = codex.hooks()
    assert not any("failed to parse" in warning for warning in listing["warnings"])
    return {hook["key"]: hook for hook in listing["hooks"] if hook["eventName"] == "sessionStart"}


@shared
@given(hooks_texts(ours=None))
def test_keys_and_hashes_are_those_of_codex(codex: AppServer, codex_version: Version, data: bytes) -> None:
    """For every hook that Codex lists, ours and others', we compute the same key and the same hash.

    Codex 0.130 has no asynchronous hooks, and hashes no `additionalContextLimit`.
    """
    is_old = at(codex_version, {"0.130": True, "0.150": False})
    write(codex, hooks=data)
    groups = hooks_document.parse(data).get("hooks", {}).get("SessionStart", [])
    unknown = {"additionalContextLimit"} if is_old else set[str]()
    expected = {
        trust_key(hooks_path(codex), g, h): trusted_hash(
            {name: value for name, value in handler.items() if name not in unknown},
            held.get("matcher"),
            windows=WINDOWS,
        )
        for g, held in enumerate(groups)
        for h, handler in enumerate(held["hooks"])
        if not (is_old and handler.get("async"))
    }
    assert {key: hook["currentHash"] for key, hook in session_start_hooks(codex).items()} == expected


@shared
@given(config_texts(toml_1_1=True), hooks_texts(ours=None))
def test_a_hook_that_we_install_is_trusted(codex: AppServer, case: tuple[bytes, str], hooks: bytes) -> None:
    """Hook and trust entry, written into any pair of files, make a hook that Codex runs."""
    config, _ = case
    write(codex, config=config)
    assume(codex.config() is not None)
    after = HOOKS_JSON.apply(hooks, [edit_for(hooks, group(OUR_COMMAND))])
    (ours,) = hooks_document.find_ours(hooks_document.parse(after))
    key = trust_key(hooks_path(codex), ours.group, ours.handler)
    handler = hooks_document.parse(after)["hooks"]["SessionStart"][ours.group]["hooks"][ours.handler]
    path = state_path(key, "trusted_hash")
    value = trusted_hash(handler, ours.matcher)
    wanted = {path: value, ("features", "hooks"): True}
    edits = [config_toml.edit_for(config, key_path, after_value) for key_path, after_value in wanted.items()]
    trusted = CONFIG_TOML.apply(config, edits)
    write(codex, config=trusted, hooks=after)
    hook = session_start_hooks(codex)[key]
    (judged,) = status(config_toml.parse(trusted), hooks_document.parse(after), hooks_path(codex))
    assert (hook["trustStatus"], hook["enabled"], hook["command"]) == ("trusted", True, OUR_COMMAND)
    assert (judged.key, judged.current_hash, judged.trust_status, judged.runs) == (key, value, "trusted", True)


@shared
@given(hooks_texts(ours=True))
def test_nobody_loses_trust_when_our_hook_goes(codex: AppServer, data: bytes) -> None:
    """With all hooks trusted, taking ours out of any place leaves every other one trusted."""
    write(codex, hooks=data)
    listed = session_start_hooks(codex)
    edits = [
        config_toml.edit_for(None, state_path(key, "trusted_hash"), hook["currentHash"])
        for key, hook in listed.items()
    ]
    removed = HOOKS_JSON.apply(data, [edit_for(data, ABSENT)])
    write(codex, config=CONFIG_TOML.apply(None, edits), hooks=removed)
    left = session_start_hooks(codex)
    assert {hook["trustStatus"] for hook in left.values()} <= {"trusted"}
    assert len(left) == len(listed) - 1


@shared
@given(config_texts(toml_1_1=True))
def test_codex_reads_what_we_write(codex: AppServer, case: tuple[bytes, str]) -> None:
    """Every text that Codex takes, it takes after our edits too, with our values and its other values."""
    data, provider = case
    write(codex, config=data)
    before = codex.config()
    assume(before is not None and provider in (before["model_providers"] or {}))
    assert before
    values = {
        ("model_providers", provider, "base_url"): "http://127.0.0.1:8787/v1",
        ("openai_base_url",): "http://127.0.0.1:8787/v2",
        ("model_provider",): provider,
        ("features", "hooks"): True,
    }
    edits = [config_toml.edit_for(data, path, value) for path, value in values.items()]
    write(codex, config=CONFIG_TOML.apply(data, edits))
    after = codex.config()
    assert after
    for path, value in values.items():
        assert config_toml.lookup(after, path) == value
    for doc in (before, after):
        doc["model_providers"][provider]["base_url"] = doc["openai_base_url"] = doc["model_provider"] = None
        doc["features"] = {name: value for name, value in doc["features"].items() if value is not None}
        doc["features"].pop("hooks", None)
    assert after == before


@pytest.mark.parametrize("name", NAMES)
def test_codex_reads_the_hand_made_files(codex: AppServer, name: str) -> None:
    """Those that it takes before our edits, it takes after them, with our values."""
    data = read("before", name)
    write(codex, config=data)
    if codex.config() is None:
        return  # legal TOML, but no config for Codex
    values = own_values(data)
    provider = next(iter(values))[:2]
    if config_toml.lookup(config_toml.parse(data), provider) is ABSENT:
        # Codex takes no provider without a name, and neither do we make one: the built-in one it is.
        values = {("openai_base_url",): values.pop((*provider, "base_url")), **values}
    write(codex, config=CONFIG_TOML.apply(data, [config_toml.edit_for(data, *item) for item in values.items()]))
    after = codex.config()
    assert after is not None
    assert {path: config_toml.lookup(after, path) for path in values} == values


@pytest.mark.parametrize(
    "text",
    [
        "model = { a = 1,\n b = 2 }",
        "x = { a = 1, }",
        "x = { # comment\n a = 1\n, # another\n}",
        'model = "a\\e\\x41"',
        "x = 07:32",
        "x = 1979-05-27T07:32-07:00",
    ],
)
def test_codex_reads_toml_1_1(codex: AppServer, text: str) -> None:
    """The newer constructs that our reader takes are those that Codex takes."""
    write(codex, config=text.replace("model =", "m =").encode())
    assert codex.config() is not None
    assert config_toml.parse(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf{}",
        b'{"hooks": null}',
        b'{"hooks": {"SessionStart": null}}',
        b'{"hooks": {"SessionStart": [{"hooks": null}]}}',
        pytest.param(b'{"version": 1, "hooks": {}}', marks=pytest.mark.codex_since("0.150", "unknown root keys")),
        b'{"hooks": {}, "hooks": {}}',
        b'{"hooks": {"SessionStart": [], "SessionStart": []}}',
        b'{"hooks": {}, }',
        b'{"description": NaN}',
    ],
)
def test_codex_refuses_what_we_refuse(codex: AppServer, data: bytes) -> None:
    """Codex ignores each file that we say it would ignore."""
    write(codex, hooks=data)
    assert any("failed to parse hooks config" in warning for warning in codex.hooks()["warnings"])


def test_the_flags_that_let_hooks_run(codex: AppServer) -> None:
    """`features.hooks` decides, without it its older name, and hooks run without either."""
    hooks = HOOKS_JSON.apply(None, [edit_for(None, group(OUR_COMMAND))])
    verdicts = {}
    for values in itertools.product((None, True, False), repeat=2):
        flags = zip(FLAGS, values, strict=True)
        lines = [f"{name} = {str(value).lower()}\n" for (_, name), value in flags if value is not None]
        config = f"[features]\n{''.join(lines)}".encode()
        write(codex, config=config, hooks=hooks)
        verdicts[values] = (hooks_enabled(config_toml.parse(config)), len(session_start_hooks(codex)) == 1)
    assert {} == {values: verdict for values, verdict in verdicts.items() if verdict[0] != verdict[1]}
    assert {True, False} == {ours for ours, _ in verdicts.values()}


def test_trust_written_by_codex_is_read_by_us(codex: AppServer) -> None:
    """The table that Codex itself writes, in a CRLF file with a byte order mark, is ours to read and to take out."""
    data = b'\xef\xbb\xbfmodel = "m" # mine\r\n'
    hooks = HOOKS_JSON.apply(None, [edit_for(None, group(OUR_COMMAND))])
    write(codex, config=data, hooks=hooks)
    (hook,) = session_start_hooks(codex).values()
    key, value = hook["key"], hook["currentHash"]
    edit = {"keyPath": "hooks.state", "value": {key: {"trusted_hash": value}}, "mergeStrategy": "upsert"}
    answer = codex.ask("config/batchWrite", {"edits": [edit], "reloadUserConfig": True})
    assert answer["result"]["status"] == "ok"
    written = (codex.home / "config.toml").read_bytes()
    (judged,) = status(config_toml.parse(written), hooks_document.parse(hooks), hooks_path(codex))
    assert judged.runs
    path = state_path(key, "trusted_hash")
    merged = CONFIG_TOML.restore(written, data, [KeyEdit(path=path, before=ABSENT, after=value)])
    assert merged.content is not None
    assert config_toml.parse(merged.content).get("model") == "m"
    assert config_toml.lookup(config_toml.parse(merged.content), path[:-1]) is ABSENT
    assert merged.conflicts == ()


def test_a_rewrite_by_codex_is_undone_to_the_key(codex: AppServer) -> None:
    """Codex edits a file of ours in its own way; our keys go back in their spelling, its own edit stays."""
    data = b"\xef\xbb\xbf[model_providers.x] # ours\r\nname = 'X'\r\nbase_url = 'https://x/v1' # why\r\n"
    path = ("model_providers", "x", "base_url")
    edits = [
        config_toml.edit_for(data, path, "http://127.0.0.1:1/v1"),
        config_toml.edit_for(data, ("features", "hooks"), True),
        config_toml.edit_for(data, state_path("/h:session_start:0:0", "trusted_hash"), "sha256:00"),
    ]
    write(codex, config=CONFIG_TOML.apply(data, edits))
    other = {"/o:stop:0:0": {"trusted_hash": "sha256:11"}}
    theirs = [
        {"keyPath": "model", "value": "m", "mergeStrategy": "upsert"},
        {"keyPath": "hooks.state", "value": other, "mergeStrategy": "upsert"},
    ]
    answer = codex.ask("config/batchWrite", {"edits": theirs, "reloadUserConfig": True})
    assert answer["result"]["status"] == "ok"
    merged = CONFIG_TOML.restore((codex.home / "config.toml").read_bytes(), data, edits)
    assert merged.conflicts == ()
    assert merged.content is not None
    assert config_toml.spelling(merged.content, path) == "'https://x/v1'"
    expected = {
        **config_toml.parse(data),
        "model": "m",
        "hooks": {"state": other},
    }
    assert config_toml.parse(merged.content) == expected


def test_a_handler_tombstone_is_skipped(codex: AppServer) -> None:
    """The handler that keeps the place in a shared group is no hook for Codex, and its neighbour keeps its index."""
    shared_group = {"hooks": [*group(OUR_COMMAND)["hooks"], {"type": "command", "command": "theirs"}]}
    data = json.dumps({"hooks": {"SessionStart": [shared_group]}}).encode()
    merged = HOOKS_JSON.restore(
        data, b"{}", [KeyEdit(path=hooks_document.PATH, before=ABSENT, after=group(OUR_COMMAND))]
    )
    assert merged.notes == (TOMBSTONE_LEFT,)
    write(codex, hooks=merged.content)
    assert list(session_start_hooks(codex)) == [trust_key(hooks_path(codex), 0, 1)]
