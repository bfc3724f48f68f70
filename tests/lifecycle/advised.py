"""A home for each code whose advice names a command of ours, or the reason for which none follows it here."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.end_to_end.harness import (
    KEY_ENV,
    api_key_login,
    built_in_config,
    chatgpt_login,
    login_config,
    relay_config,
)
from tests.homes.acts import Acts, Half, killed
from tests.lifecycle.block import KEY, PORT, Block
from tests.staged import in_a_child

Act = Callable[[Block], object]
STATE: Final = "codex-fast-proxy-state"
MANIFEST: Final = f"{STATE}/install-manifest.json"
SETTINGS: Final = f"{STATE}/settings.json"
UPSTREAMS: Final = f"{STATE}/upstreams.json"
SAVED_KEY: Final = f"{STATE}/provider-auth.json"


class _KilledBefore(Acts):
    """The acts of a process that is killed before its first act of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._last = name

    def act(self, name: str, half: Half = lambda: None) -> None:
        super().act(name, half)
        if name == self._last:
            killed(half)


def nothing(_: Block) -> None:
    """Leave all to the commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A home that gets this answer, and the words of the answer that are no command.

    arrange      lays the home out
    asks         the command that answers so
    by_hand      the user's part of the advice, after the commands; `hand_first`: before them
    words        the values of the words that the advice leaves to the user, as URL
    flags        what "with these flags" adds to each command
    again        flags of the command that asks, where the advice is to run it again with them
    forks        it kills a process in the middle
    """

    arrange: Act
    asks: tuple[str, ...] = ("status",)
    by_hand: Act = nothing
    hand_first: bool = False
    words: Callable[[Block], dict[str, str]] = lambda _: {}
    flags: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    forks: bool = False


def _do(*acts: Act) -> Act:
    def do(place: Block) -> None:
        for act in acts:
            act(place)

    return do


def _run(*words: str) -> Act:
    def run(place: Block) -> None:
        answer = place.run(*words)
        assert answer.code == 0, answer.text

    return run


def _write(name: str, text: str) -> Act:
    return lambda place: place.write(name, text)


def _append(text: str) -> Act:
    return lambda place: place.write("config.toml", place.config.read_text(encoding="utf-8") + text)


def _cut(text: str) -> Act:
    return lambda place: place.replace("config.toml", text, "")


def _keep_login_in_keyring(place: Block) -> None:
    place.lay_out(relay_config(place.upstream.base_url, top='cli_auth_credentials_store = "keyring"'))


def _lose(*names: str) -> Act:
    return lambda place: place.lose(*names)


def _url(place: Block) -> dict[str, str]:
    return {"URL": place.upstream.base_url}


def _enable(place: Block) -> None:
    place.enable()


def _unreadable(place: Block) -> None:
    """Put a folder in the place of the record: no user reads that, root neither."""
    place.enable()
    (place.home / MANIFEST).rename(place.home / "kept")
    (place.home / MANIFEST).mkdir()


def _readable(place: Block) -> None:
    (place.home / MANIFEST).rmdir()
    (place.home / "kept").rename(place.home / MANIFEST)


def _by_newer_version(place: Block) -> None:
    place.enable()
    manifest = place.home / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "format": 99, "version": "9.9.9"}))


def _unrecorded(place: Block) -> None:
    place.enable()
    place.lose(STATE)
    place.end_worker()


def _lost(place: Block) -> None:
    _unrecorded(place)
    place.lose("backups", "codex-fast-proxy-journal")


def _deleted(place: Block) -> None:
    place.enable()
    shutil.rmtree(place.home)


def _other_provider(place: Block) -> None:
    table = f'\n[model_providers.second]\nname = "S"\nbase_url = "{place.other.base_url}"\nenv_key = "RELAY_KEY"\n'
    place.lay_out(relay_config(place.upstream.base_url, table=table))
    place.install()
    place.replace("config.toml", 'model_provider = "relay"', 'model_provider = "second"')


def _occupied(place: Block) -> None:
    place.circumstances.occupied.add(PORT)


def _occupied_by_another_user(place: Block) -> None:
    place.enable()
    place.end_worker()
    place.circumstances.others.add(PORT)


def _catalog(place: Block) -> None:
    place.enable_with_chatgpt()
    _run("prepare-chatgpt-login", "--from-stdin", "--apply")(place)
    _run("set-upstream", "--use-provider-auth-file", "--restart")(place)
    url = place.upstream.base_url + "/models"
    place.replace("config.toml", "requires_openai_auth", f'model_catalog_url = "{url}"\nrequires_openai_auth')


def _split(place: Block) -> None:
    place.enable()
    _run("prepare-chatgpt-login", "--apply")(place)
    _run("set-upstream", "--use-provider-auth-file", "--restart")(place)


def _named_key(place: Block) -> None:
    place.lay_out()
    place.install("--upstream-api-key-env", "RELAY_KEY")


def _login_is_the_key(place: Block) -> None:
    place.lay_out(login_config(place.upstream.base_url), api_key_login(KEY))
    place.install()
    place.lose("auth.json")


def _pending(place: Block) -> None:
    place.enable()
    _run("set-upstream", "--service-tier-policy", "preserve")(place)


def _interrupted(place: Block) -> None:
    place.lay_out()
    assert -signal.SIGKILL == in_a_child(lambda: place.run("install", "--start", acts=_KilledBefore("go")))
    assert place.host().journal.interrupted()


def _catalog_elsewhere(place: Block) -> None:
    place.lay_out(login_config(place.upstream.base_url), api_key_login(KEY))
    place.install()
    _run("prepare-chatgpt-login", "--apply")(place)
    _run("set-upstream", "--use-provider-auth-file", "--restart")(place)
    elsewhere = 'model_catalog_url = "https://catalog.example/models"\nrequires_openai_auth'
    place.replace("config.toml", "requires_openai_auth", elsewhere)


def _cannot_lend(place: Block) -> None:
    place.circumstances.lends = False


def _older(place: Block) -> None:
    place.enable()
    place.street.change(runtime_id="old code")


def _former_hook(place: Block) -> None:
    place.enable()
    place.rewrite_hook(" -I ", " -P ")


_BROKEN_HOOKS: Final = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true", "timeout": "5"}]}]}}'

_ACCESS_TOKEN: Final = '{"auth_mode": "personalAccessToken", "personal_access_token": "at-canary"}'
_AGENT: Final = '{"auth_mode": "agentIdentity", "agent_identity": "canary"}'
_NEWER_LOGIN: Final = '{"auth_mode": "of a newer Codex"}'


def _signed_in(auth: str) -> Act:
    return _do(Block.enable_with_chatgpt, _write("auth.json", auth))


def _after(code: str, error_type: str | None = None, status: int = 502) -> Scenario:
    """Return a home whose last request failed so; once the advice is taken, a message in Codex goes through."""
    trouble = {
        "code": code,
        "at": "2026-01-02T03:04:05+00:00",
        "status": status,
        "error_type": error_type,
        "in_row": 1,
    }
    requests = {"last_success": None, "trouble": trouble}
    return Scenario(
        arrange=_do(_split, lambda place: place.circumstances.health.update(last_requests=requests)),
        words=_url,
        by_hand=lambda place: place.circumstances.health.clear(),
    )


def _key_to_enter(place: Block) -> None:
    """A ChatGPT login in the place of the provider's key, which auth.json has as well, under a name of its own."""
    login = json.loads(chatgpt_login()) | {KEY_ENV: KEY}
    place.lay_out(login_config(place.upstream.base_url), json.dumps(login))


def _saved_key(place: Block) -> None:
    place.lay_out(login_config(place.upstream.base_url), chatgpt_login())
    _run("prepare-chatgpt-login", "--from-stdin", "--apply")(place)


def _lost_variable(place: Block) -> None:
    """The proxy sends the key of a variable that only auth.json had."""
    _key_to_enter(place)
    place.replace("auth.json", KEY_ENV, "OTHER_KEY")
    place.install("--upstream-api-key-env", "OTHER_KEY")
    place.replace("auth.json", "OTHER_KEY", "FORMER_KEY")


_FORCED: Final = _run("uninstall", "--force")

# ---- Diagnoses ---------------------------------------------------------------------------------------------------

DIAGNOSED: Final[dict[str, Scenario | str]] = {
    "home_of_another_user": "the way out is the other user's: tests/hard_cases/test_owners.py runs it as both",
    "files_of_another_user": "the way out is a command of the system: tests/hard_cases/test_owners.py runs it",
    "record_unreadable": Scenario(arrange=_unreadable, by_hand=_readable),
    "record_of_newer_version": Scenario(arrange=_by_newer_version, by_hand=_do(_FORCED, _FORCED)),
    "interrupted": Scenario(arrange=_interrupted, forks=True),
    "config_unparseable": Scenario(arrange=_do(_enable, _append("a = [")), by_hand=_cut("a = [")),
    "config_refused": Scenario(
        arrange=_do(_enable, lambda place: place.replace("config.toml", 'name = "Relay"', 'name = ""')),
        by_hand=lambda place: place.replace("config.toml", 'name = ""', 'name = "Relay"'),
    ),
    "unrecorded": Scenario(arrange=_unrecorded),
    "unrecorded_and_lost": Scenario(arrange=_lost, words=_url),
    "not_enabled": Scenario(arrange=Block.lay_out),
    "not_enabled_key_saved": Scenario(arrange=_saved_key),
    "not_enabled_with_login": Scenario(
        arrange=lambda place: place.lay_out(login_config(place.upstream.base_url), chatgpt_login())
    ),
    "home_deleted": Scenario(arrange=_deleted),
    "uninstall_unfinished": Scenario(arrange=_do(_enable, _run("uninstall", "--defer-stop"))),
    "config_not_proxy": Scenario(arrange=_do(_enable, Block.point_elsewhere)),
    "route_overridden": "another file leads Codex: tests/end_to_end/test_route_in_force.py uninstalls there",
    "provider_not_active": Scenario(arrange=_other_provider),
    "port_of_another_user": Scenario(arrange=_occupied_by_another_user),
    "port_shared": "two homes: tests/lifecycle/test_three_homes.py follows it until they part",
    "port_shared_by_default": "two homes: tests/lifecycle/test_three_homes.py follows it until they part",
    "catalog_receives_login": Scenario(arrange=_catalog),
    "proxy_stopped": Scenario(arrange=_do(_enable, Block.end_worker)),
    "chatgpt_auth_preserved": Scenario(arrange=Block.enable_with_chatgpt),
    "access_token_preserved": Scenario(arrange=_signed_in(_ACCESS_TOKEN)),
    "agent_identity_preserved": Scenario(arrange=_signed_in(_AGENT)),
    "unknown_login_preserved": Scenario(arrange=_signed_in(_NEWER_LOGIN)),
    "saved_key_unused": Scenario(arrange=_do(_saved_key, lambda place: place.install("--no-verify"))),
    "codex_refuses": "a login that only a newer Codex takes: tests/end_to_end/test_identities.py has older ones",
    "own_codex_key_missing": Scenario(
        arrange=_do(
            _key_to_enter,
            lambda place: place.install("--codex-key-env", KEY_ENV),
            _write(".env", f"{KEY_ENV}=\n"),
        )
    ),
    "upstream_auth_missing": Scenario(arrange=_do(_split, _lose(SAVED_KEY))),
    "upstream_variable_missing": Scenario(arrange=_lost_variable),
    "upstream_auth_not_persistent": Scenario(arrange=_named_key),
    "codex_sends_no_key": Scenario(arrange=_login_is_the_key, by_hand=_write("auth.json", api_key_login(KEY))),
    "settings_pending_restart": Scenario(arrange=_pending),
    "settings_pending_restart_cut": Scenario(arrange=_do(_pending, _cannot_lend)),
    "proxy_unhealthy": Scenario(arrange=_do(_enable, Block.end_worker, _occupied)),
    "runtime_stale": Scenario(arrange=_older),
    "runtime_stale_cut": Scenario(arrange=_do(_older, _cannot_lend)),
    "hooks_file_refused": Scenario(
        arrange=_do(_enable, _write("hooks.json", _BROKEN_HOOKS)), by_hand=_lose("hooks.json")
    ),
    "hooks_disabled_by_policy": "the administrator's file stays, and `start` is to be run after each reboot",
    "hooks_disabled": Scenario(
        arrange=_do(_enable, lambda place: place.replace("config.toml", "hooks = true", "hooks = false"))
    ),
    "startup_hook_program_broken": Scenario(
        arrange=_do(_enable, lambda place: place.rewrite_hook(place.hook_program(), "/nowhere/python"))
    ),
    "startup_hook_not_ready": Scenario(arrange=_do(_enable, _lose("hooks.json"))),
    "startup_hook_not_isolated": Scenario(arrange=_former_hook),
    "request_key_missing": _after("request_key_missing", "upstream_key_missing"),
    "provider_unreachable": _after("provider_unreachable", "upstream_unreachable"),
    "upstream_loops": _after("upstream_loops", "proxy_loop"),
    "provider_redirects": _after("provider_redirects", "upstream_redirect"),
    "provider_broke_off": _after("provider_broke_off", "upstream_broke_off"),
    "provider_answers_otherwise": _after("provider_answers_otherwise", status=200),
    "provider_key_refused": _after("provider_key_refused", status=401),
    "provider_path_unknown": _after("provider_path_unknown", status=404),
    "provider_failing": _after("provider_failing", status=503),
    "request_failing": _after("request_failing", "client_gone", 499),
    "tier_refused": Scenario(
        arrange=_do(_enable, lambda place: place.circumstances.health.update(service_tier_refused_by=["gpt-5.5"])),
        by_hand=lambda place: place.circumstances.health.clear(),
    ),
    "fast_policy_unknown": Scenario(arrange=_do(_keep_login_in_keyring, _lose("auth.json"), Block.install)),
}

# ---- Refusals and failures ---------------------------------------------------------------------------------------

_INSTALL: Final = ("install", "--start")
_PREPARE: Final = ("prepare-chatgpt-login", "--apply")
_RACE: Final = "two processes at once: tests/races and tests/end_to_end/test_handover.py have them"
_REAL_CODEX: Final = "runs the real Codex: tests/end_to_end runs it"
_WRONG_URL: Final = "a provider with other paths: tests/end_to_end/test_wrong_urls.py goes to the right one"
_OTHER_KEY: Final = "leads to a key that the user alone has: tests/end_to_end/test_upstream.py has these"

REFUSED: Final[dict[str, Scenario | str]] = {
    "codex_home_deleted": Scenario(arrange=_deleted, asks=("uninstall",)),
    "config_refused": Scenario(
        arrange=_do(Block.lay_out, lambda place: place.replace("config.toml", 'name = "Relay"', 'name = ""')),
        asks=_INSTALL,
        by_hand=lambda place: place.replace("config.toml", 'name = ""', 'name = "Relay"'),
    ),
    "settings_invalid": Scenario(
        arrange=_do(_enable, Block.end_worker, _write(SETTINGS, "{"), _lose(MANIFEST)),
        asks=_INSTALL,
        by_hand=_lose(SETTINGS),
        hand_first=True,
        words=_url,
    ),
    "manifest_invalid": Scenario(arrange=_do(_enable, _write(MANIFEST, "{")), asks=_INSTALL),
    "catalog_past_proxy": Scenario(arrange=_catalog_elsewhere, asks=_INSTALL),
    "provider_key_missing": Scenario(arrange=_enable, asks=("set-upstream", "--use-provider-auth-file")),
    "key_unknown": "the key goes away between two looks: the same commands are followed for the next two",
    "source_key_unknown": Scenario(
        arrange=_key_to_enter,
        asks=_PREPARE,
        words=lambda _: {"NAME": KEY_ENV},
    ),
    "codex_key_not_settable": Scenario(
        arrange=lambda place: place.lay_out(built_in_config(place.upstream.base_url), chatgpt_login()),
        asks=("install", "--start", "--codex-key-env", KEY_ENV),
        again=("--no-codex-key-env",),
    ),
    "provider_auth_invalid": Scenario(
        arrange=_do(_split, _write(SAVED_KEY, "{")), asks=_PREPARE, by_hand=_lose(SAVED_KEY), hand_first=True
    ),
    "port_in_use": Scenario(arrange=_do(_enable, Block.end_worker, _occupied), asks=("start",)),
    "not_enabled": Scenario(arrange=Block.lay_out, asks=("set-upstream", "--service-tier-policy", "preserve")),
    "already_enabled": Scenario(
        arrange=_enable,
        asks=("install", "--prepare-only", "--service-tier-policy", "preserve"),
        flags=("--service-tier-policy", "preserve"),
    ),
    "proxy_not_running": Scenario(arrange=_do(_enable, Block.end_worker), asks=("dashboard", "--no-open")),
    "settings_missing": Scenario(arrange=Block.lay_out, asks=("start",)),
    "provider_repointed": Scenario(
        arrange=_do(_enable, Block.point_elsewhere), asks=("set-upstream", "--service-tier-policy", "preserve")
    ),
    "proxy_unrecorded": Scenario(arrange=_lost, asks=_INSTALL, words=_url),
    "config_not_proxy": "a reason for which the hook starts nothing; no person reads it as an answer",
    "config_points_to_proxy": Scenario(arrange=_enable, asks=("stop",)),
    "run_needs_codex": _REAL_CODEX,
    "benchmark_model_unknown": _REAL_CODEX,
    "benchmark_key_unknown": _REAL_CODEX,
    "benchmark_codex_missing": _REAL_CODEX,
    "worker_lost": "a worker that dies at the worst moment: doctor's own advice is followed for proxy_stopped",
    "worker_running": _RACE,
    "handover_refused": _RACE,
    "port_not_available": "a port that the system keeps: the same command is followed for port_in_use",
    "worker_hangs": Scenario(arrange=_do(_enable, lambda place: place.street.change(hung=True)), asks=("doctor",)),
    "journal_failed": "a disk that fails: tests/crash tries each of its operations",
    "chatgpt_login_not_sent": Scenario(
        arrange=lambda place: place.lay_out(login_config(place.upstream.base_url), chatgpt_login()),
        asks=_INSTALL,
    ),
    "saved_key_unused": Scenario(arrange=_saved_key, asks=_INSTALL),
    "upstream_path_unknown": _WRONG_URL,
    "upstream_url_of_endpoint": _WRONG_URL,
    "upstream_lacks_version": _WRONG_URL,
    "upstream_chat_only": _WRONG_URL,
    "upstream_web_page": _WRONG_URL,
    "upstream_wants_key": "a 401 without a key: tests/end_to_end/test_keys.py names the key",
    "upstream_redirect": "another address: tests/end_to_end/test_redirects.py goes there",
    "codex_sent_no_turn": _REAL_CODEX,
    "no_such_upstream": Scenario(arrange=_enable, asks=("upstream", "use", "main")),
    "upstream_active": Scenario(
        arrange=_do(_enable, _run("upstream", "add", "main"), _run("upstream", "add", "other")),
        asks=("upstream", "remove", "main"),
        words=lambda _: {"NAME": "other"},
    ),
    "upstream_of_other_provider": Scenario(
        arrange=_do(
            _enable,
            _run("upstream", "add", "main"),
            lambda place: place.replace(UPSTREAMS, '"provider": "relay"', '"provider": "another"'),
        ),
        asks=("upstream", "use", "main"),
    ),
    "key_of_saved_upstream": _OTHER_KEY,
    "upstream_key_not_kept": _OTHER_KEY,
}
