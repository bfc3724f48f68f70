"""The forms of config.toml and hooks.json that Codex refuses: our own reading, and the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cfp.codex import config_toml
from cfp.codex.refusals.config import config_flaw, undefined_provider
from cfp.codex.refusals.hooks import EVENTS, hooks_flaw
from tests.codex.app_server import AppServer
from tests.real_codex import Version, at

A = '[model_providers.a]\nname = "a"\n'

# text of config.toml -> our reading of its first flaw
CONFIGS = {
    "": "",
    "model_provider = 5": "model_provider must be a text",
    "model_providers = 5": "model_providers must be a table",
    "model = 5": "model must be a text",
    "openai_base_url = 5": "openai_base_url must be a text",
    "service_tier = 5": "service_tier must be a text",
    'service_tier = "bogus"': "",
    'approval_policy = "sometimes"': "approval_policy must be one of untrusted, on-failure, on-request, never",
    'approval_policy = "never"': "",
    'sandbox_mode = "none"': "sandbox_mode must be one of read-only, workspace-write, danger-full-access",
    'model_verbosity = "x"': "model_verbosity must be one of low, medium, high",
    'model_reasoning_summary = "x"': "model_reasoning_summary must be one of auto, concise, detailed, none",
    'cli_auth_credentials_store = "x"': "cli_auth_credentials_store must be one of file, keyring, auto, ephemeral",
    'mcp_oauth_credentials_store = "x"': "mcp_oauth_credentials_store must be one of auto, file, keyring",
    'forced_login_method = "x"': "forced_login_method must be one of chatgpt, api",
    "features = 5": "features must be a table",
    '[features]\nhooks = "no"': "features.hooks must be true or false",
    "[features]\nhooks = false": "",
    'profile = "x"\n[profiles.x]\nmodel = "y"': (
        "profile is no longer supported: `--profile NAME` reads NAME.config.toml instead"
    ),
    '[profiles.x]\nmodel = "y"': "",
    "profiles = 5": "profiles must be a table",
    "mcp_servers = 5": "mcp_servers must be a table",
    "projects = 5": "projects must be a table",
    "[model_providers]\na = 5": "model_providers.a must be a table",
    '[model_providers.openai]\nname = "x"': (
        "Codex reserves the id openai, so a table [model_providers.openai] must have another name"
    ),
    '[model_providers.ollama]\nname = "x"': (
        "Codex reserves the id ollama, so a table [model_providers.ollama] must have another name"
    ),
    '[model_providers.amazon-bedrock.aws]\nprofile = "x"': "",
    "[model_providers.a]": "model_providers.a has no name",
    '[model_providers.a]\nname = " "': "model_providers.a has no name",
    A: "",
    f'{A}wire_api = "chat"': 'model_providers.a.wire_api must be "responses"',
    f'{A}wire_api = "responses"': "",
    f"{A}base_url = 5": "model_providers.a.base_url must be a text",
    f"{A}env_key = 5": "model_providers.a.env_key must be a text",
    f'{A}http_headers = "x"': "model_providers.a.http_headers must be a table",
    f"{A}query_params = 5": "model_providers.a.query_params must be a table",
    f'{A}requires_openai_auth = "x"': "model_providers.a.requires_openai_auth must be true or false",
    f'{A}supports_websockets = "x"': "model_providers.a.supports_websockets must be true or false",
    f"{A}unknown = 5": "",
    f'{A}env_key = "K"\n[model_providers.a.auth]\ncommand = "x"': (
        "model_providers.a has auth and env_key, of which Codex takes one"
    ),
    "[[hooks]]\nevent = 'SessionStart'": "hooks must be a table",
    '[hooks]\nSessionStart = "x"': "hooks.SessionStart must be a list of groups",
    "[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = 'command'": "hooks.Stop[0].hooks[0] has no `command`",
    "[[hooks.Other]]\n[[hooks.Other.hooks]]\ntype = 'zzz'": "",
    '[hooks.state."k"]\ntrusted_hash = 5': "trusted_hash of a hook must be a text",
    '[hooks.state."k"]\nenabled = "no"': "enabled of a hook must be true or false",
    '[hooks.state."k"]\nother = 1': "",
}
# selected provider -> whether no table defines it
SELECTIONS = {"openai": False, "ollama": False, "gcp": False, "a": False, "oss": True, "": True, "gone": True}

RIGHT = {"type": "command", "command": "true"}
_AT = "Stop[0].hooks[0]"
_TYPES = f"{_AT}.type must be one of command, mcp_tool, prompt, agent"


def stop(handler: Any, **group: Any) -> dict[str, Any]:
    return {"Stop": [{**group, "hooks": [handler]}]}


# the value of `hooks` -> our reading of its first flaw
HOOKS: list[tuple[Any, str]] = [
    ({}, ""),
    (stop(RIGHT), ""),
    (stop({"command": "true"}), _TYPES),
    (stop({"type": "http"}), _TYPES),
    (stop({"type": "prompt"}), ""),
    (stop({"type": "agent", "timeout": "5"}), ""),
    (stop({"type": "mcp_tool"}), f"{_AT} has no `server`"),
    (stop({"type": "mcp_tool", "server": "a", "tool": "b"}), ""),
    (stop({"type": "mcp_tool", "server": "a", "tool": "b", "input": 5}), f"{_AT}.input must be a table"),
    (stop({"type": "command"}), f"{_AT} has no `command`"),
    (stop({"type": "command", "command": None}), f"{_AT}.command must be a text"),
    *((stop({**RIGHT, "timeout": seconds}), "") for seconds in (None, 0, 5)),
    *(
        (stop({**RIGHT, "timeout": seconds}), f"{_AT}.timeout must be a whole number of seconds")
        for seconds in (-1, 2.5, 2.0, True, "5", 2**64)
    ),
    (stop({**RIGHT, "timeoutSec": "x"}), ""),
    (stop({**RIGHT, "async": None}), f"{_AT}.async must be true or false"),
    (stop({**RIGHT, "statusMessage": None}), ""),
    (stop({**RIGHT, "statusMessage": 5}), f"{_AT}.statusMessage must be a text"),
    (stop({**RIGHT, "commandWindows": 5}), f"{_AT}.commandWindows must be a text"),
    (stop({**RIGHT, "commandWindows": "a", "command_windows": "b"}), f"{_AT} has commandWindows twice"),
    (stop({**RIGHT, "additionalContextLimit": -5}), f"{_AT}.additionalContextLimit must be a whole number"),
    (stop({**RIGHT, "other": 5}), ""),
    (stop("x"), f"{_AT} must be a handler, with `type`"),
    (stop(RIGHT, matcher=5), "Stop[0].matcher must be a text"),
    (stop(RIGHT, matcher=None), ""),
    ({"Stop": {}}, "Stop must be a list of groups"),
    ({"Stop": None}, "Stop must be a list of groups"),
    ({"Stop": ["x"]}, "Stop[0] must be a group, with `hooks`"),
    ({"Stop": [{}]}, ""),
    ({"Stop": [{"hooks": None}]}, "Stop[0].hooks must be a list of handlers"),
    ({"Notification": [{"hooks": [{"type": "zzz"}]}]}, ""),
    *(
        ({event: [{"hooks": [{"type": "zzz"}]}]}, f"{event}[0].hooks[0].type must be one of {', '.join(kinds)}")
        for kinds in [("command", "mcp_tool", "prompt", "agent")]
        for event in EVENTS
    ),
]


@pytest.fixture(scope="module")
def codex(codex_cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    home = tmp_path_factory.mktemp("codex") / "home"
    home.mkdir(parents=True)
    with AppServer(codex_cli, home) as server:
        yield server


@pytest.mark.parametrize(("text", "flaw"), CONFIGS.items())
def test_a_config_as_we_read_it(text: str, flaw: str) -> None:
    """The first flaw, in a clause that quotes no value of a key."""
    assert flaw == config_flaw(config_toml.parse(text.encode()))


def test_a_config_as_codex_reads_it(codex: AppServer, codex_version: Version) -> None:
    """Codex refuses what we refuse, and nothing else; but for the tiers that 0.130 does not know."""
    (codex.home / "hooks.json").unlink(missing_ok=True)
    refused = {}
    for text in CONFIGS:
        (codex.home / "config.toml").write_text(text)
        refused[text] = codex.hooks()["errors"] != []
    flaws = {text: config_flaw(config_toml.parse(text.encode()), version=codex_version) for text in CONFIGS}
    others = at(codex_version, {"0.130": {'service_tier = "bogus"'}, "0.150": set[str]()})
    assert {text: flaw != "" or text in others for text, flaw in flaws.items()} == refused


@pytest.mark.parametrize(("version", "refused"), [(None, True), ((0, 130, 0), False), ((0, 140, 0), True)])
def test_the_profile_of_an_older_codex(version: tuple[int, ...] | None, refused: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """Before 0.140 it selects a table of `profiles`."""
    assert refused == (config_flaw({"profile": "x"}, version=version) != "")


@pytest.mark.parametrize(("name", "is_undefined"), SELECTIONS.items())
def test_a_selection_as_we_read_it(name: str, is_undefined: bool) -> None:  # noqa: FBT001 (a parameter of pytest)
    """A provider of Codex's own, or of a table in any of the files."""
    doc = {"model_provider": name}
    lower = {"model_providers": {"a": {"name": "a"}}}
    assert (name if is_undefined else None) == undefined_provider(doc, lower)


def test_a_selection_as_codex_reads_it(codex: AppServer, codex_version: Version) -> None:
    """Codex does not start with a provider that no table defines."""
    refused = {}
    for name in SELECTIONS:
        (codex.home / "config.toml").write_text(f'model_provider = "{name}"\n{A}')
        refused[name] = codex.hooks()["errors"] != []
    assert refused == {**SELECTIONS, **at(codex_version, {"0.130": {"gcp": True}, "0.171": dict[str, bool]()})}


@pytest.mark.parametrize(("events", "flaw"), HOOKS)
def test_hooks_as_we_read_them(events: Any, flaw: str) -> None:
    """One wrong handler anywhere, of any event that Codex knows."""
    assert flaw == hooks_flaw(events)


# Forms that only a newer Codex takes, and those that an older one does not look at: it drops the file, or does not.
_OF_0_130 = {
    "mcp_tool": (stop({"type": "mcp_tool", "server": "a", "tool": "b"}), True),
    "commandWindows": (stop({**RIGHT, "commandWindows": 5}), False),
    "twice": (stop({**RIGHT, "commandWindows": "a", "command_windows": "b"}), False),
    "limit": (stop({**RIGHT, "additionalContextLimit": -5}), False),
}
_EVENTS_SINCE = {
    "0.130": {"PreModelRequest", "PostModelRequest", "SessionEnd", "SubagentStart", "SubagentStop", "Interrupt"},
    "0.150": {"PreModelRequest", "PostModelRequest"},
    "0.171": set[str](),
}


def test_hooks_as_codex_reads_them(codex: AppServer, codex_version: Version) -> None:
    """Codex drops every file that we say it drops, and no other; an event that it does not know is no handler's."""
    (codex.home / "config.toml").write_text("")
    dropped, expected = [], []
    later = at(codex_version, _EVENTS_SINCE)
    others = list(at(codex_version, {"0.130": _OF_0_130, "0.150": {}}).values())
    for events, flaw in HOOKS:
        (codex.home / "hooks.json").write_text(json.dumps({"hooks": events}))
        dropped.append(any("failed to parse" in warning for warning in codex.hooks()["warnings"]))
        other = next((drops for form, drops in others if form == events), flaw != "")
        expected.append(other and not later & {*events})
    assert expected == dropped
