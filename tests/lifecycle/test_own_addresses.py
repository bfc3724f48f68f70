"""An address that the proxy has had is never a provider's, and a key goes to no URL but its own.

Older versions of config.toml come back (git, Time Machine, sync), and people point their provider elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfp.core.diagnosis import diagnose
from cfp.core.manifest import digest
from tests.homes.site import CommandAnswer, Site, in_memory
from tests.lifecycle import writers

LOGIN = b'{"OPENAI_API_KEY": "canary-openai-0123456789"}'
REMOTE, LOCAL = "https://relay.example/v1", "http://127.0.0.1:9001/v1"
PORTS = (8701, 8702, 8787)
OURS = re.compile(
    r"(?i)http://(?:[^/@]*@)?(?:localhost|127\.0\.0\.1|127\.1|2130706433|\[::1\]|\[::ffff:7f00:1\]):(8701|8702|8787)(?:/.*)?"
)
LEFT = "http://127.0.0.1:8701/v1"


def config(url: str, key: str = "canary-key-a", provider: str = "relay") -> bytes:
    """A config.toml whose provider has its key in its table."""
    return (
        f'model = "gpt-5.5"\nmodel_provider = "{provider}"\n\n[model_providers.{provider}]\nname = "R"\n'
        f"base_url = '{url}'\nexperimental_bearer_token = \"{key}\"\n"
    ).encode()


def site_with(url: str, **table: str) -> Site:
    return in_memory({"config.toml": config(url, **table), "auth.json": LOGIN})


def run(site: Site, line: str) -> CommandAnswer:
    return site.run(line.split())


def text(site: Site) -> bytes:
    return site.disk.read(site.home.layout.config) or b""


def put(site: Site, data: bytes) -> None:
    site.home.put(site.home.layout.config, data)


def url_of(site: Site, provider: str = "relay") -> str:
    return str((writers.leaves(text(site)) or {}).get(("model_providers", provider, "base_url")))


def values_of_ours(site: Site) -> list[str]:
    """Return every address of ours that a backup has, that the record gives back, or that is an upstream."""
    layout, disk = site.home.layout, site.disk
    backups = [layout.backups / name for name in disk.names(layout.backups) if name.endswith(".bak")]
    texts = [str(value) for path in backups for value in (writers.leaves(disk.read(path)) or {}).values()]
    for path in (layout.settings, layout.manifest):
        record = json.loads(disk.read(path) or b"{}")
        texts.append(str(record.get("settings", record).get("upstream_base")))
        texts += [str(edit.get("before")) for edit in record.get("config_keys", ())]
    addresses = json.loads(disk.read(layout.addresses) or b"{}").get("addresses", ())
    texts += [str(entry["before"]) for entry in addresses]
    return [value for value in texts if OURS.fullmatch(value)]


ACTS = st.one_of(
    st.tuples(st.just("install"), st.sampled_from([None, *PORTS])),
    st.tuples(st.just("restore"), st.integers(0, 30)),
    st.tuples(st.just("spell"), st.sampled_from(writers.SPELLINGS)),
    st.tuples(st.just("run"), st.sampled_from(["recover", "start", "autostart", "stop --force", "status"])),
    st.tuples(st.just("uninstall"), st.sampled_from(["", " --keep-state", " --defer-stop", " --force"])),
    st.tuples(st.just("kill"), st.none()),
)


@pytest.mark.parametrize("real", [REMOTE, LOCAL])
@given(acts=st.lists(ACTS, min_size=4, max_size=14))
def test_none_of_our_addresses_becomes_a_value_of_somebody(real: str, acts: list[tuple[str, object]]) -> None:
    """Whatever comes back and at whichever ports: no backup, record or upstream has one, and the URL comes back."""
    site = site_with(real)
    former = [text(site)]
    for kind, what in acts:
        if kind == "install":
            port = f" --port {what}" if what else ""
            answer = run(site, f"install --start --no-verify{port}")
            assert answer.code == 0, answer.out
            assert answer.json["upstream_base"] == real
        elif kind == "restore":
            put(site, former[int(str(what)) % len(former)])
        elif kind == "spell":
            now = url_of(site)
            if OURS.fullmatch(now):
                put(
                    site, text(site).replace(now.encode(), str(what).format(port=now.rpartition(":")[2][:4]).encode())
                )
        elif kind == "kill":
            site.computer.keep({})
        else:
            answer = run(site, f"uninstall{what}" if kind == "uninstall" else str(what))
            if kind == "uninstall":
                assert answer.code == 0, answer.out
                assert url_of(site) == real
        assert values_of_ours(site) == []
        former.append(text(site))
    answer = run(site, "uninstall")
    assert (answer.code, url_of(site), site.state()) == (0, real, "absent")


KEYS = [f"canary-key-{name}" for name in "abc"]
URLS = (REMOTE, "https://other.example/v1", LOCAL)
EDITS = st.one_of(
    st.tuples(st.just("point"), st.sampled_from(URLS), st.sampled_from(KEYS)),
    st.tuples(st.just("rotate"), st.none(), st.sampled_from(KEYS)),
    st.tuples(st.just("restore"), st.none(), st.integers(0, 30)),
    st.tuples(st.just("install"), st.none(), st.sampled_from(["", " --port 8701", " --clear-upstream-auth"])),
    st.tuples(st.just("install"), st.none(), st.sampled_from(["", " --use-provider-auth-file"])),
    st.tuples(st.just("set-upstream"), st.sampled_from([None, *URLS]), st.sampled_from(["", " --restart"])),
    st.tuples(st.just("save the key"), st.none(), st.none()),
    st.tuples(st.just("uninstall"), st.none(), st.sampled_from(["", " --keep-state"])),
)


def saved_key(site: Site) -> str:
    entries: Mapping[str, Mapping[str, str]] = json.loads(
        site.disk.read(site.home.layout.provider_auth) or b"{}"
    ).get("providers", {})
    return entries.get("relay", {}).get("api_key", "")


def key_of(site: Site) -> str:
    return str((writers.leaves(text(site)) or {}).get(("model_providers", "relay", "experimental_bearer_token")))


class Route:
    """A home, and the URLs that each key belongs to: where it stood in config.toml, and where a flag sent it."""

    def __init__(self) -> None:
        self.site = site_with(REMOTE, key=KEYS[0])
        self.owners: dict[str, set[str]] = {KEYS[0]: {REMOTE}}
        self.former = [text(self.site)]

    def own(self, key: str, url: str) -> None:
        self.owners.setdefault(key, set()).add(url)

    def check(self, key: str, url: str) -> None:
        assert url in self.owners.get(key, set()), f"{key} of {self.owners.get(key)} goes to {url}"

    def edit(self, kind: str, url: str, what: object) -> None:
        """Let the user write config.toml; a key that is new while the proxy is in front is one for the saved URL."""
        site, saved = self.site, self.site.survey().settings
        if kind == "restore":
            put(site, self.former[int(str(what)) % len(self.former)])
            return
        put(site, config(url, str(what)) if kind == "point" else replaced_key(site, str(what)))
        if OURS.fullmatch(url_of(site)) is None:
            self.own(str(what), url_of(site))
        elif saved is not None and saved.base_url == url_of(site):
            self.own(str(what), saved.upstream_base)
        else:  # a former address stands for the URL that the record has for it
            for entry in site.survey().addresses:
                if entry.url == url_of(site) and entry.before is not None:
                    self.own(str(what), entry.before)

    def command(self, kind: str, url: object, what: object) -> None:
        """Run a command, and look at the key that it and the worker send, and where."""
        change = f" --upstream-base {url}" if url else " --service-tier-policy preserve"
        lines = {
            "install": f"install --start --no-verify{what}",
            "set-upstream": f"set-upstream --no-verify{change}{what}",
            "save the key": "prepare-chatgpt-login --apply",
            "uninstall": f"uninstall{what}",
        }
        answer = run(self.site, lines[kind])
        assert answer.code in {0, 2, 3}, answer.out
        settings = self.site.survey().settings
        is_in_use = settings is not None and settings.upstream_api_key_file
        if answer.code or settings is None or kind == "uninstall" or (kind == "save the key" and not is_in_use):
            return
        key = saved_key(self.site) if is_in_use else key_of(self.site)
        if url:  # the provider's URL is another one from now on, for the key of config.toml too
            self.own(key_of(self.site), settings.upstream_base)
        if url or "--use-provider-auth-file" in str(what):
            self.own(key, settings.upstream_base)
        self.check(key, settings.upstream_base)


def replaced_key(site: Site, key: str) -> bytes:
    return text(site).replace(key_of(site).encode(), key.encode())


@given(acts=st.lists(EDITS, min_size=3, max_size=14))
def test_a_key_goes_to_no_url_but_its_own(acts: list[tuple[str, object, object]]) -> None:
    """Unless a flag names the URL or the key: neither the request that tries a route nor the worker sends it there.

    Both send the key of config.toml or the saved one to the settings' URL, so the settings are what is checked.
    """
    route = Route()
    for kind, url, what in acts:
        if kind in {"point", "rotate", "restore"}:
            route.edit(kind, str(url), what)
        else:
            route.command(kind, url, what)
        route.former.append(text(route.site))


def test_a_repointed_provider_is_the_new_route() -> None:
    """The URL of config.toml is the upstream, it is tried, and an uninstall gives it back."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify")
    put(site, config(LOCAL, "canary-key-b"))
    plan = run(site, "install --dry-run").json
    assert (plan["upstream_base"], plan["verification_needed"], plan["from_state"]) == (LOCAL, True, "drifted")
    assert run(site, "install --start --no-verify").json["upstream_base"] == LOCAL
    assert run(site, "uninstall").code == 0
    assert text(site) == config(LOCAL, "canary-key-b")


@pytest.mark.parametrize("mode", ["--start --no-verify", "--prepare-only --no-verify", "--dry-run"])
def test_a_saved_key_waits_for_a_flag(mode: str) -> None:
    """Nothing is changed, the answer names both ways out, and each of them works."""
    site = site_with(REMOTE)
    run(site, "prepare-chatgpt-login --apply")
    run(site, "install --start --no-verify --use-provider-auth-file")
    put(site, config(LOCAL, "canary-key-b"))
    answer = run(site, f"install {mode}")
    assert (answer.code, answer.refusal, answer.json["changed"]) == (3, "saved_key_for_other_url", False)
    action = answer.json["next_user_action"]
    assert f"--upstream-base {REMOTE}" in action
    assert "--use-provider-auth-file" in action
    assert "--clear-upstream-auth" in action
    kept = {
        f"--upstream-base {REMOTE}": (REMOTE, True),
        "--use-provider-auth-file": (LOCAL, True),
        "--clear-upstream-auth": (LOCAL, False),
    }
    for flag, expected in kept.items():
        route = run(site.twin(), f"install {mode} {flag}").json
        assert expected == (route["upstream_base"], route["upstream_api_key_file"])


def test_no_key_is_saved_for_a_route_that_it_is_not_for() -> None:
    """The proxy would send it to the saved URL."""
    site = site_with(REMOTE)
    run(site, "prepare-chatgpt-login --apply")
    run(site, "install --start --no-verify --use-provider-auth-file")
    put(site, config(LOCAL, "canary-key-b"))
    answer = run(site, "prepare-chatgpt-login --apply")
    assert (answer.code, answer.refusal, saved_key(site)) == (3, "provider_repointed", "canary-key-a")


@pytest.mark.parametrize("line", ["start", "autostart", "stop"])
def test_nothing_of_a_repointed_provider_is_touched(line: str) -> None:
    """The worker keeps the settings that it has, and config.toml is the user's."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify")
    put(site, config(LOCAL, "canary-key-b"))
    run(site, line)
    assert text(site) == config(LOCAL, "canary-key-b")
    assert {worker.settings.upstream_base for worker in site.computer.serving()} <= {REMOTE}


def test_a_new_key_of_the_same_route_is_tried() -> None:
    """A table that differs from the backup's has not been verified."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify")
    assert run(site, "install --dry-run").json["verification_needed"] is False
    put(site, text(site).replace(b"canary-key-a", b"canary-key-b"))
    assert run(site, "install --dry-run").json["verification_needed"] is True


def test_another_provider_is_another_route() -> None:
    """`model_provider` names another one: its own URL, no saved key, tried; the former one is given back."""
    other = config("https://other.example/v1", "canary-key-b", "other").partition(b"\n\n")[2]
    site = in_memory({"config.toml": config(REMOTE) + other, "auth.json": LOGIN})
    run(site, "prepare-chatgpt-login --apply")
    run(site, "install --start --no-verify --use-provider-auth-file")
    put(site, text(site).replace(b'model_provider = "relay"', b'model_provider = "other"'))
    plan = run(site, "install --dry-run").json
    assert (plan["upstream_base"], plan["verification_needed"]) == ("https://other.example/v1", True)
    assert plan["upstream_api_key_file"] is False
    assert run(site, "install --start --no-verify").code == 0
    assert url_of(site) == REMOTE


def test_a_deleted_url_of_the_built_in_provider_is_openais() -> None:
    """Codex goes to its own default then, and so does the proxy."""
    site = in_memory({"config.toml": f'openai_base_url = "{REMOTE}"\n'.encode(), "auth.json": LOGIN})
    run(site, "install --start --no-verify")
    put(site, b'model = "gpt-5.5"\n')
    plan = run(site, "install --dry-run").json
    assert (plan["upstream_base"], plan["verification_needed"]) == ("https://api.openai.com/v1", True)


def left_by_0_2_0(real: str, left: str = LEFT, key: str = "canary-key-a") -> Site:
    """A home without state, on a dead address of ours that the newest backup has too; there are older backups."""
    site = in_memory({"config.toml": config(left, key), "auth.json": LOGIN})
    for day, url in enumerate([real, real, LEFT, left], start=1):
        site.home.put(site.home.layout.backups / f"config.toml.2026010{day}T000000000000Z.bak", config(url))
    return site


@pytest.mark.parametrize("line", ["recover", "uninstall", "install --start --no-verify"])
@pytest.mark.parametrize("real", [REMOTE, LOCAL])
@pytest.mark.parametrize("left", [LEFT, "http://localhost:8701/v1/", "HTTP://[::1]:8701"])
def test_a_home_that_0_2_0_left_on_a_dead_address_is_mended(real: str, left: str, line: str) -> None:
    """`status` and `doctor` name it, and each command finds the provider's URL in a backup that is not ours."""
    site = left_by_0_2_0(real, left)
    assert diagnose(site.survey()).code == "unrecorded"
    assert run(site, "status").json["diagnosis"]["code"] == "unrecorded"
    assert "codex-fast-proxy recover" in run(site, "doctor").json["next_user_action"]
    answer = run(site, line)
    assert answer.code == 0, answer.out
    if line.startswith("install"):
        assert answer.json["upstream_base"] == real
        assert run(site, "uninstall").code == 0
    assert text(site) == config(real)


@pytest.mark.parametrize("line", ["recover", "uninstall"])
def test_an_older_file_after_an_uninstall_gives_back_every_byte(line: str) -> None:
    """It names a former address, and trusts a hook that the uninstall has removed."""
    site = site_with(REMOTE)
    before = text(site)
    run(site, "install --start --no-verify --port 8701")
    older = text(site)
    run(site, "install --start --no-verify --port 8702")
    run(site, "uninstall")
    key = json.dumps(f"{site.home.layout.hooks}:session_start:7:0")
    other = f'\n[hooks.state.{key}]\ntrusted_hash = "sha256:00"\n'.encode()
    put(site, older + other)
    assert b"hooks.state" in older
    assert run(site, line).code == 0
    assert text(site) == before + other


def test_a_model_server_of_the_users_own_stays() -> None:
    """One that answers, one at a model server's usual port, and one with a key of its own are none of ours."""
    answering = left_by_0_2_0(REMOTE)
    answering.computer.strangers.add(8701)
    usual = left_by_0_2_0(REMOTE, "http://127.0.0.1:1234/v1")
    own_key = left_by_0_2_0(REMOTE, key="canary-key-b")
    for site in (answering, usual, own_key):
        before = text(site)
        assert diagnose(site.survey()).code == "not_enabled"
        assert run(site, "recover").status == "clean"
        assert run(site, "uninstall").json["config_restore"] == "no_manifest"
        assert text(site) == before


def test_a_program_at_a_former_address_gets_nothing_unasked() -> None:
    """It may be the user's model server, or anything else: a flag says so, and the address is no longer ours."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify --port 8701")
    older = text(site)
    run(site, "install --start --no-verify --port 8702")
    put(site, older)
    site.computer.strangers.add(8701)
    answer = run(site, "install --start --no-verify")
    assert (answer.code, answer.refusal, answer.json["changed"]) == (3, "former_address_taken", False)
    assert f"--upstream-base {LEFT}" in answer.json["next_user_action"]
    assert run(site, "uninstall").code == 3  # config.toml has another URL than the proxy's or the provider's
    assert url_of(site) == LEFT
    answer = run(site, f"install --start --no-verify --upstream-base {LEFT}")
    assert (answer.code, answer.json["upstream_base"]) == (0, LEFT)
    site.computer.strangers.clear()  # it ends before the uninstall
    assert run(site, "uninstall").json["config_restore"] == "restored"
    assert url_of(site) == LEFT


@pytest.mark.parametrize("url", [LEFT, "http://localhost:8701", "http://2130706433:8701/other"])
def test_a_dead_former_address_is_no_upstream(url: str) -> None:
    """Not even where a flag names it."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify --port 8701")
    run(site, "install --start --no-verify --port 8702")
    for line in ("install --start", "set-upstream"):
        answer = run(site, f"{line} --no-verify --upstream-base {url}")
        assert (answer.code, answer.refusal) == (2, "upstream_is_proxy")


def test_tables_that_have_a_copy_of_our_address_get_a_url_too() -> None:
    """Each its own one where a backup has it; a copy of the recorded table gets the recorded URL."""
    other = config("https://other.example/v1", "canary-key-b", "other").partition(b"\n\n")[2]
    site = in_memory({"config.toml": config(REMOTE) + other, "auth.json": LOGIN})
    run(site, "install --start --no-verify --port 8701 --provider other")
    older = text(site)
    run(site, "uninstall")
    run(site, "install --start --no-verify --port 8702")
    put(site, older + config(LEFT, "canary-key-c", "unknown").partition(b"\n\n")[2])
    answer = run(site, "uninstall")
    assert (answer.code, answer.refusal, answer.json["provider"]) == (3, "proxy_unrecorded", "unknown")
    assert "model_providers.unknown.base_url" in answer.json["next_user_action"]
    put(site, older)
    assert run(site, "uninstall").code == 0
    assert text(site) == config(REMOTE) + other


def test_an_older_key_goes_back_to_its_own_url() -> None:
    """The old file comes back at the same port, with the key of a former provider: never to the present one."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify")
    older = text(site)
    run(site, "uninstall")
    put(site, config(LOCAL, "canary-key-b"))
    run(site, "install --start --no-verify")
    put(site, older)
    assert run(site, "set-upstream --no-verify --service-tier-policy preserve").refusal == "provider_repointed"
    plan = run(site, "install --dry-run").json
    assert (plan["upstream_base"], plan["verification_needed"]) == (REMOTE, True)
    assert run(site, "uninstall").code == 0
    assert text(site) == config(REMOTE)


def test_a_saved_key_follows_a_flag_and_the_answer_says_so() -> None:
    """`set-upstream --upstream-base` is the user's word on the URL; whoever did not think of the key reads of it."""
    site = site_with(REMOTE)
    run(site, "prepare-chatgpt-login --apply")
    run(site, "install --start --no-verify --use-provider-auth-file")
    same = run(site, f"set-upstream --no-verify --upstream-base {REMOTE}/").json["message"]
    moved = run(site, f"set-upstream --no-verify --upstream-base {LOCAL}").json["message"]
    named = run(site, f"set-upstream --no-verify --upstream-base {REMOTE} --clear-upstream-auth").json["message"]
    assert f"now goes to {LOCAL}, no longer to {REMOTE}" in moved
    assert ("goes to" in same, "goes to" in named) == (False, False)


def test_user_information_in_our_address_is_not_shown() -> None:
    """Somebody may have written it there; no answer repeats it."""
    site = site_with("http://me:canary-pw@127.0.0.1:8787/v1")
    run(site, "recover")
    assert run(site, "uninstall").refusal in {"", "proxy_unrecorded"}
    site = site_with(REMOTE)
    run(site, "install --start --no-verify")
    unknown = config("http://me:canary-pw@localhost:8787/v1", "canary-key-c", "unknown").partition(b"\n\n")[2]
    put(site, text(site).replace(b"[model_providers.relay]", unknown + b"\n[model_providers.relay]"))
    assert run(site, "uninstall").code == 0  # a copy of the present address gets the recorded URL
    assert url_of(site, "unknown") == REMOTE


@pytest.mark.parametrize("line", ["uninstall", "install --start --no-verify"])
def test_an_installation_that_0_2_0_recorded_with_our_address(line: str) -> None:
    """Its manifest and its newest backup give a dead address of ours back; the settings have the provider's URL."""
    site = site_with(REMOTE)
    run(site, "install --start --no-verify --port 8701")
    run(site, "uninstall")
    run(site, "install --start --no-verify --port 8702")
    layout, poisoned = site.home.layout, config(LEFT)
    backup = layout.backups / "config.toml.20270101T000000000000Z.bak"
    site.home.put(backup, poisoned)
    record = json.loads(site.disk.read(layout.manifest) or b"{}")
    for edit in record["config_keys"]:
        if edit["path"][-1] == "base_url":
            edit |= {"before": LEFT, "before_spelling": f"'{LEFT}'"}
    record |= {"backup_path": str(backup), "config_hash_before": digest(poisoned)}
    site.home.put(layout.manifest, json.dumps(record).encode())
    site.home.take(layout.addresses)
    assert run(site, line).code == 0
    for again in ("install --start --no-verify", "uninstall"):  # the older file comes back once more
        put(site, poisoned)
        assert run(site, again).code == 0
        assert json.loads(site.disk.read(layout.settings) or b"{}").get("upstream_base", REMOTE) == REMOTE
    assert url_of(site) == REMOTE
